import type { Checkpoint } from '../format/checkpoint.ts'
import { leafHash } from '../format/merkle.ts'
import { parseBundle, tileKey, tilesBetween } from '../format/tiles.ts'
import { createTree } from '../format/tree.ts'
import type { Store } from '../store/store.ts'

/** The entries that the log's tiles publish below the checkpoint, where they are the ones that it signs. */
async function publishedEntries(store: Store, { treeSize, root }: Checkpoint): Promise<readonly Buffer[]> {
  const tree = createTree()
  const entries: Buffer[] = []
  for (const tile of tilesBetween(0, treeSize)) {
    if (tile.level !== 'entries') continue
    const bytes = await store.get(tileKey(tile))
    for (const entry of (bytes && parseBundle(bytes)) ?? []) {
      entries.push(entry)
      tree.append(leafHash(entry))
    }
  }
  return entries.length === treeSize && tree.rootAt(treeSize).equals(root) ? entries : []
}

/** Where the batches of a log stand, and what they hold. */
export interface Decided {
  readonly store: Store
  readonly entries: readonly Buffer[]
  /** First entry of each batch, in order. */
  readonly starts: readonly number[]
}

/** First entries of the batches that hold something else than the checkpoint signs, as the published tiles show; none where these do not fit it either. */
export async function alteredBatches(
  { store, entries, starts }: Decided,
  checkpoint: Checkpoint,
): Promise<readonly number[]> {
  const published = await publishedEntries(store, checkpoint)
  return starts.filter((start, at) =>
    published
      .slice(start, starts[at + 1])
      .some((entry, index) => entries[start + index]?.equals(entry) !== true),
  )
}
