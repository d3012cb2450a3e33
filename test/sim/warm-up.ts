import { randomBytes } from 'node:crypto'
import { createCutWriter, openStore } from '@muniment/archive'
import { openKeys, openSecrets } from '@muniment/keys'
import { topic } from '@muniment/schema'
import { openState } from '@muniment/state'

/** Loads what loads on first use, which takes real time that no run must see. */
export async function warmUp(): Promise<void> {
  const secrets = await openSecrets({ kind: 'memory' })
  const state = await openState({ kind: 'memory' })
  const keys = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 1000 })
  const store = await openStore({ kind: 'memory' })
  const writer = createCutWriter({ store, keys: keys.segmentKeys, now: Date.now, randomBytes })
  const records = [{ offset: 0, value: Buffer.from('{}'), appendedMs: 0 }]
  await writer.write({ topic: topic.events, partition: 0, records, nextOffset: 1, previous: undefined })
}
