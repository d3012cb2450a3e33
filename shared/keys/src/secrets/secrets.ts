/** The secrets of the product; each has a permission of its own, so a process reads only those that its work needs. */
export const secretNames = ['root', 'masking', 'ingest', 'log', 'control'] as const

/** The name of one secret: `root` wraps tenant keys, `masking` digests and tokens, `ingest` opens batches, `log` signs checkpoints, `control` signs decisions. */
export type SecretName = (typeof secretNames)[number]

/** A secret of the product, or `sinks`: what the places that alerts go to want to see. */
export type StoredName = SecretName | 'sinks'

/** A new text for a secret. */
export interface SecretChange {
  readonly text: string
  /** The text that it replaces; where the secret has another by now, nothing happens. */
  readonly expected: string
  /** Whether the old text must not stay anywhere that this place can reach: for keys that are destroyed. */
  readonly forgetsOld?: boolean
}

/**
 * Where secrets lie, each one JSON text that holds every live generation.
 * Durability: a `create` that resolved survives a crash. Concurrency: of several creators one wins, and of several that replace one text one wins.
 * Errors name the secret and the permission: `SECRET_MISSING`, `SECRET_DENIED`, `SECRET_MALFORMED`, `DEPENDENCY_UNREACHABLE`. Values are in no error.
 */
export interface SecretStore extends AsyncDisposable {
  /** Whether a missing secret may be made up on first use, because nobody else administers this place. */
  readonly createsOnUse: boolean
  /** The current text, not cached. Rejects with `SECRET_MISSING` where there is none. */
  read(name: StoredName): Promise<string>
  /** `false` where the secret exists already. */
  create(name: StoredName, text: string): Promise<boolean>
  /** `false` where the secret is no longer `expected`. */
  replace(name: SecretName, change: SecretChange): Promise<boolean>
}
