import type { Checkpoint } from '../format/checkpoint.ts'
import { emptyLog } from '../log-state.ts'
import { checkpointKey } from '../store/checkpoint-store.ts'
import { checkClocks } from './clocks.ts'
import { witnessedBy, type WitnessedHead } from './cosigned.ts'
import { anchoredUntil, checkBatches, checkEntries, noteUnanchored, readEntries } from './log-entries.ts'
import { checkCosigned, checkHeads, checkVersions } from './log-heads.ts'
import { checkStrangers, checkTiles } from './log-tiles.ts'
import { checkExtends, logKeys, note, readCheckpoint, type LogInput, type Working } from './log-working.ts'
import type { Anchor, Findings } from './report.ts'

/** Checks the log; resolves to how far its checkpoint reaches, `undefined` where there is none. */
export async function checkLog(input: LogInput, findings: Findings): Promise<Anchor | undefined> {
  const { trust } = input
  const working: Working = { input, findings, trust, state: emptyLog(), batches: new Map() }
  checkStrangers(working)
  await readEntries(working)
  const checkpoint = input.checkpoint && readCheckpoint(working, input.checkpoint, checkpointKey)
  checkHeads(working, checkpoint)
  await checkVersions(working)
  const heads = await checkCosigned(working, checkpoint)
  const size = checkpoint?.treeSize ?? 0
  await checkTiles(working, size)
  if (checkpoint === undefined) {
    note(working, 'log.absent', { object: checkpointKey, reason: 'no checkpoint: nothing is anchored' })
    return undefined
  }
  checkExtends(working, checkpoint, checkpointKey)
  await checkBatches(working, checkpoint)
  const newest = checkEntries(working, size)
  const until = anchoredUntil(working, newest)
  noteUnanchored(working, until)
  checkClocks({ entries: working.state.entries.slice(0, size), committed: input.committed, heads }, findings)
  return anchorOf(working, checkpoint, { until, heads })
}

function anchorOf(
  working: Working,
  { origin, treeSize, root }: Checkpoint,
  { until, heads }: { readonly until: Anchor['until']; readonly heads: readonly WitnessedHead[] },
): Anchor {
  const { trust, findings } = working
  const isSignatureChecked = logKeys(trust).length > 0
  if (!isSignatureChecked) {
    const reason = 'its signature was not checked: no verifier key was given'
    note(working, 'log.key', { object: checkpointKey, reason })
  }
  const witnessed = trust.policy && witnessedBy(heads, { policy: trust.policy, treeSize }, findings)
  return { origin, treeSize, root: root.toString('hex'), isSignatureChecked, until, witnessed }
}
