import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { drainSpool } from '@muniment/interceptor/spool'
import { openKeys, openSecrets } from '@muniment/keys'
import {
  batchAad,
  decodeFrames,
  observationSchema,
  parseBatchHeaders,
  type Observation,
} from '@muniment/schema'
import { openState } from '@muniment/state'

/** An administrative act as the masker will see it. */
export interface Recorded extends Observation {
  readonly details: unknown
}

interface Sealed {
  readonly key: string | null
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

async function collect(home: string): Promise<readonly Sealed[]> {
  const records: Sealed[] = []
  await drainSpool({
    dir: join(home, 'spool'),
    publish: async found => void records.push(...found),
    signal: new AbortController().signal,
    untilEmpty: true,
  })
  return records
}

/** Takes everything out of the spool of a home and opens it: the acts in it, in order. */
export async function takeActs(home: string): Promise<readonly Recorded[]> {
  await using secrets = await openSecrets({ kind: 'file', dir: join(home, 'secrets') })
  await using state = await openState({ kind: 'memory' })
  const keys = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 1000 })
  const acts: Recorded[] = []
  for (const { key, value, headers } of await collect(home)) {
    const batch = parseBatchHeaders(key, headers)
    const packed = await keys.unseal(batch.kid, value, batchAad(batch))
    const plain = batch.encoding === 'zstd' ? zstdDecompressSync(packed) : gunzipSync(packed)
    for (const { envelope, request } of decodeFrames(plain)) {
      const event = observationSchema.parse(JSON.parse(Buffer.from(envelope).toString()))
      if (event.kind !== 'admin') continue
      acts.push({ ...event, details: JSON.parse(Buffer.from(request ?? []).toString()) })
    }
  }
  return acts.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
