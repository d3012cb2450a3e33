import type { Checkpoint } from '../format/checkpoint.ts'
import { sequenceKey, sequencePrefix } from '../format/tiles.ts'
import { checkpointKey } from '../store/checkpoint-store.ts'
import { checkPublished, readCosigned, witnessedHeads, type WitnessedHead } from './cosigned.ts'
import { checkExtends, note, readCheckpoint, report, type Working } from './log-working.ts'

/** How many batches were decided that the checkpoint does not cover; one may be under way. */
function batchesBeyond(working: Working, size: number): number {
  const starts = working.input.listed.filter(
    ({ key, isDeleteMarker }) =>
      key.startsWith(sequencePrefix) && !isDeleteMarker && key >= sequenceKey(size),
  )
  return starts.length
}

function checkAge(working: Working, newest: Checkpoint | undefined): void {
  const first = newest?.treeSize ?? 0
  const beyond = batchesBeyond(working, first)
  const [object, entries] = [checkpointKey, { first }]
  if (beyond > 1) {
    const reason = `${newest === undefined ? 'missing' : 'old'}: ${beyond} batches of entries were decided after it`
    report(working, 'log.checkpoint', { object, reason, entries })
  } else if (beyond === 1) {
    const reason = 'one batch of entries is about to be published'
    note(working, 'log.unanchored', { object, reason, entries })
  }
}

function checkRemembered(working: Working): void {
  for (const text of working.input.remembered) {
    const checkpoint = readCheckpoint(working, Buffer.from(text), 'a remembered checkpoint')
    if (checkpoint !== undefined) checkExtends(working, checkpoint, 'a remembered checkpoint')
  }
}

const checkedVersions = 100

/** Older checkpoints that the store kept as versions: the log must extend each; only the newest are read. */
export async function checkVersions(working: Working): Promise<void> {
  const { store, listed } = working.input
  const versions = listed.filter(({ key, isDeleteMarker }) => key === checkpointKey && !isDeleteMarker)
  for (const { version } of versions.slice(-checkedVersions)) {
    const bytes = await store.get(checkpointKey, { version })
    const checkpoint = bytes && readCheckpoint(working, bytes, checkpointKey)
    // The newest may be ahead of the listing on an archive in use.
    const isListed = checkpoint !== undefined && checkpoint.treeSize <= working.state.entries.length
    if (isListed) checkExtends(working, checkpoint, checkpointKey)
  }
}

/** On an archive in use the checkpoint may have moved on while we listed. */
function newestCheckpoint(working: Working, checkpoint: Checkpoint | undefined): Checkpoint | undefined {
  const { checkpoint: before, checkpointAfter: after } = working.input
  if (after === undefined || before?.equals(after) === true) return checkpoint
  return readCheckpoint(working, after, checkpointKey)
}

/** Where something must be that extends from the entries, the log's checkpoint included. */
export function checkHeads(working: Working, checkpoint: Checkpoint | undefined): void {
  checkAge(working, newestCheckpoint(working, checkpoint))
  checkRemembered(working)
}

/** Cosigned checkpoints that were kept: what their witnesses saw. */
export async function checkCosigned(
  working: Working,
  checkpoint: Checkpoint | undefined,
): Promise<readonly WitnessedHead[]> {
  const { input, findings, trust } = working
  const read = (bytes: Buffer, object: string): Checkpoint | undefined => {
    const found = readCheckpoint(working, bytes, object)
    // On an archive in use one may be newer than the entries that were read.
    if (found !== undefined && found.treeSize <= working.state.entries.length)
      checkExtends(working, found, object)
    return found
  }
  const cosigned = await readCosigned({ store: input.store, listed: input.listed, read }, findings)
  checkPublished(cosigned, checkpoint, findings)
  return witnessedHeads(cosigned, trust)
}
