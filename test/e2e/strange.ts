// Keys and batches of an installation that is not this one.
import { randomBytes } from 'node:crypto'
import type { OutgoingRecord } from '@muniment/bus'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { parseIngestKey, sealBatch } from '@muniment/keys/seal'
import { batchAad, batchHeaders } from '@muniment/schema'
import { openState } from '@muniment/state'

/** Fresh keys of every kind, as somebody has who was given none of ours. */
export async function strangeKeys(): Promise<Keys> {
  const secrets = await openSecrets({ kind: 'memory' })
  const state = await openState({ kind: 'memory' })
  return openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 60_000 })
}

/** A well-formed batch that is sealed to a key which the masker does not have. */
export async function strangeBatch(lane: string, plaintext: Uint8Array): Promise<OutgoingRecord> {
  const key = parseIngestKey(await (await strangeKeys()).ingestPublicKey())
  const batch = { lane, firstSeq: 0, lastSeq: 4, kid: key.kid, encoding: 'zstd', part: 1, parts: 1 } as const
  return { key: lane, headers: batchHeaders(batch), value: sealBatch(key, plaintext, batchAad(batch)) }
}
