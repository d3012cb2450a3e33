import { encodeFrames } from '@muniment/schema'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { PlainBatch } from '../src/batch.ts'
import { openPackThread, type PackThread } from '../src/pack-thread.ts'
import type { Problem } from '../src/problem.ts'
import { sealerOf } from '../src/sealer.ts'
import { openLab, type Lab } from './support.ts'

let lab: Lab
let thread: PackThread
let problems: Problem[]
beforeEach(async () => {
  lab = await openLab()
  problems = []
  thread = openPackThread(problem => problems.push(problem), 0)
})
afterEach(async () => {
  await thread[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

/** One observation with a request of so many bytes. */
function batch(seq: number, request: Buffer): PlainBatch {
  const observation = {
    v: 1,
    id: `01890a5d-ac96-774b-bcce-b302099a80${seq.toString(16).padStart(2, '0')}`,
    time: new Date(0).toISOString(),
    tenant: 'default',
    kind: 'notification',
    request: { size_bytes: request.length },
    source: { instance: 'i', epoch: 0, seq, version: '0' },
  }
  const envelope = Buffer.from(JSON.stringify(observation))
  return { lane: 'i/0', firstSeq: seq, lastSeq: seq, plain: encodeFrames([{ envelope, request }]) }
}

test.each([
  ['a small batch', Buffer.from('{}')],
  ['one that does not become smaller and takes several records', Buffer.allocUnsafe(3_000_000)],
])('%s opens as what it was', async (_what, request) => {
  const records = await thread.pack(batch(0, request), sealerOf(lab.ingestKey))
  const [seen, ...others] = await lab.open(records ?? [])
  expect(seen?.request?.equals(request)).toBe(true)
  expect(others).toEqual([])
})

test('batches come back in the order in which they were given', async () => {
  const sealer = sealerOf(lab.ingestKey)
  const order: number[] = []
  const texts = [400_000, 10, 100_000, 1].map(size => Buffer.alloc(size, 'x'))
  await Promise.all(
    texts.map(async (text, seq) => {
      await thread.pack(batch(seq, text), sealer)
      order.push(seq)
    }),
  )
  expect(order).toEqual([0, 1, 2, 3])
})

test('a little is not worth a thread', async () => {
  await using patient = openPackThread(problem => problems.push(problem), 300)
  const sealer = sealerOf(lab.ingestKey)
  const small = batch(0, Buffer.from('{}'))
  expect(await patient.pack(small, sealer)).toBeUndefined()
  expect(await patient.pack(batch(1, Buffer.alloc(300)), sealer)).toHaveLength(1)
})

test('what it has when it is stopped is handed back, and it can start again', async () => {
  const sealer = sealerOf(lab.ingestKey)
  const packing = thread.pack(batch(0, Buffer.alloc(1_000_000)), sealer)
  await thread[Symbol.asyncDispose]()
  expect(await packing).toBeUndefined()
  expect(await thread.pack(batch(1, Buffer.from('{}')), sealer)).toHaveLength(1)
  expect(problems).toEqual([])
})

test('once it has failed, that is told and nothing is given to it any more', async () => {
  const broken = { ...sealerOf(lab.ingestKey), keyText: 'no key' }
  expect(await thread.pack(batch(0, Buffer.from('{}')), broken)).toBeUndefined()
  const left = batch(1, Buffer.from('{}'))
  expect(await thread.pack(left, sealerOf(lab.ingestKey))).toBeUndefined()
  expect(left.plain.length).toBeGreaterThan(0)
  expect(problems).toHaveLength(1)
})
