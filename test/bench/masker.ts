import {
  createRig,
  createTestKeys,
  frameOf,
  observationAt,
  sealFrames,
} from '../../services/masker/test/fixture.ts'
import { cpuSeconds, type Figure } from './figure.ts'

const batches = 250
const eventsPerBatch = 200
const seed = 7919

/** Request and response of one call, 1 KB together, with an e-mail address in every second one. */
function messagesOf(seq: number): readonly [string, string] {
  const person = seq % 2 === 0 ? `user${(seq * seed) % 10_007}@example.com` : `user ${(seq * seed) % 10_007}`
  const filler = 'The quick brown fox jumps over the lazy dog and writes a short report about it. '
  const request = {
    jsonrpc: '2.0',
    id: seq,
    method: 'tools/call',
    params: { name: 'lookup', arguments: { who: person, limit: 10 } },
  }
  const text = JSON.stringify({
    rows: [{ id: `r-${seq}`, owner: person, amount: 12.5, note: filler.repeat(7) }],
  })
  const response = { jsonrpc: '2.0', id: seq, result: { content: [{ type: 'text', text }] } }
  return [JSON.stringify(request), JSON.stringify(response)]
}

async function measure(): Promise<{ readonly cpuS: number; readonly bytes: number }> {
  const { keys, publicText } = await createTestKeys()
  const rig = await createRig(keys)
  let bytes = 0
  for (let batch = 0; batch < batches; batch++) {
    const first = batch * eventsPerBatch
    const frames = Array.from({ length: eventsPerBatch }, (_, index) => {
      const [request, response] = messagesOf(first + index)
      bytes += request.length + response.length
      return frameOf(observationAt(first + index), request, response)
    })
    await rig.publish(
      sealFrames(frames, { publicText, firstSeq: first, lastSeq: first + eventsPerBatch - 1 }),
    )
  }
  const cpuS = await cpuSeconds(rig.work)
  const masked = await rig.events()
  if (masked.length !== batches * eventsPerBatch) throw new Error(`${masked.length} events came out`)
  return { cpuS, bytes }
}

/** Sealed batches on a memory bus → masked events on it: open, check, mask, digest, publish. */
export async function run(): Promise<readonly Figure[]> {
  await measure()
  const { cpuS, bytes } = await measure()
  const events = batches * eventsPerBatch
  const rate = events / cpuS
  return [
    {
      name: 'masker stage, events of 1 KB',
      value: rate,
      unit: 'events/CPU-s',
      reference: 25_000,
      ratio: rate / 25_000,
    },
    { name: 'masker stage, message bytes', value: bytes / 1e6 / cpuS, unit: 'MB/CPU-s' },
  ]
}
