/** The head of the log as it stands in the store. */
interface StoredCheckpoint {
  readonly bytes: Buffer
  /** Changes with every replacement. */
  readonly tag: string
}

/**
 * The one object that is replaced: the head of the log.
 *
 * - Durable once `replace` has returned; a reader sees one whole checkpoint or another.
 * - `replace` succeeds only where the checkpoint is still the one named by `tag` (`undefined`: none yet); else it
 *   resolves to `false` and nothing has changed. Every replaced checkpoint stays readable where the store keeps versions.
 */
export interface CheckpointStore {
  read(): Promise<StoredCheckpoint | undefined>
  replace(bytes: Uint8Array, tag: string | undefined): Promise<boolean>
}

/** Where the checkpoint lies in every store: the name readers of a tiled log expect. */
export const checkpointKey = 'log/checkpoint'
