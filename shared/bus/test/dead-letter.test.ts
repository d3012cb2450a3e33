import { Buffer } from 'node:buffer'
import { AppError, topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { openDeadLetter, publishDeadLetter, replayOf, type DeadLetter } from '../src/dead-letter.ts'
import { openBus } from '../src/index.ts'
import type { BusRecord } from '../src/bus.ts'

async function deadLetterOf(value: Uint8Array): Promise<BusRecord | undefined> {
  await using bus = await openBus({ kind: 'memory' })
  const record = {
    topic: topic.raw,
    partition: 7,
    offset: 41,
    key: 'host-1/3',
    value,
    headers: { mun_lane: 'host-1/3', 'content-type': 'application/octet-stream' },
    timestampMs: 1,
  }
  const error = new AppError('BATCH_UNREADABLE', 'no key k1'.repeat(200))
  await publishDeadLetter(bus, record, { error, stage: 'masker.open' })
  const { signal } = new AbortController()
  for await (const found of bus.read({ topic: `${topic.raw}.dlq`, untilEnd: true, signal })) return found
  return undefined
}

test('a dead letter keeps the original bytes, key and headers, and says where and why it failed', async () => {
  const found = await deadLetterOf(Buffer.from('sealed'))
  expect(found?.key).toBe('host-1/3')
  expect(found?.headers).toEqual({
    mun_lane: 'host-1/3',
    'content-type': 'application/octet-stream',
    mun_error_topic: 'mcp.calls.raw',
    mun_error_partition: '7',
    mun_error_offset: '41',
    mun_error_code: 'BATCH_UNREADABLE',
    mun_error_stage: 'masker.open',
    mun_error_message: 'no key k1'.repeat(200).slice(0, 500),
  })
  const opened = found === undefined ? undefined : openDeadLetter(found)
  expect(opened).toMatchObject({ topic: topic.raw, partition: 7, offset: 41, code: 'BATCH_UNREADABLE' })
  expect(opened?.original).toEqual({
    key: 'host-1/3',
    value: found?.value,
    headers: { mun_lane: 'host-1/3', 'content-type': 'application/octet-stream' },
    partition: 7,
  })
  expect(Buffer.from(found?.value ?? []).toString()).toBe('sealed')
})

test('a value that leaves no room for the reasons is cut, and the header tells its size', async () => {
  const found = await deadLetterOf(Buffer.alloc(1_000_000, 1))
  const opened = found === undefined ? undefined : openDeadLetter(found)
  expect(opened?.cutFromBytes).toBe(1_000_000)
  expect(opened?.original.headers).not.toHaveProperty('mun_error_cut_from_bytes')
  expect(found?.value.byteLength).toBeGreaterThan(990_000)
})

test('a record without error headers is no dead letter', async () => {
  const record = { topic: 't', partition: 0, offset: 0, key: null, value: new Uint8Array(), timestampMs: 0 }
  expect(openDeadLetter({ ...record, headers: { mun_lane: 'x' } })).toBeUndefined()
})

function letter(headers: Readonly<Record<string, string>>, place: Partial<DeadLetter> = {}): DeadLetter {
  const original = { key: 'host-1/3', value: Buffer.from('sealed'), headers, partition: 7 }
  const why = { code: 'KEY_UNKNOWN', stage: 'masker', message: 'no key k1' }
  return { topic: topic.raw, partition: 7, offset: 41, original, ...why, ...place }
}

const batch = { mun_first: '4', mun_last: '9' }

test('a replay keeps the record and sets its lane apart, the same way for every dead letter of the same numbers', () => {
  const first = replayOf(letter(batch))
  expect(first).toEqual({
    ...letter(batch).original,
    headers: { ...batch, mun_replay: expect.stringMatching(/^[0-9a-f]{16}$/u) },
  })
  expect(replayOf(letter({ ...batch, mun_replay: 'ab' }, { offset: 99 }))).toEqual(first)
  expect(replayOf(letter({ ...batch, mun_last: '10' })).headers).not.toMatchObject({
    mun_replay: first.headers['mun_replay'],
  })
})

test.each([
  [
    'an event goes on under its lane with a suffix',
    { mun_lane: 'host-1/3', mun_seq: '4' },
    /^host-1\/3~[0-9a-f]{16}$/u,
  ],
  ['a record without a lane stays as it was', { 'content-type': 'text/plain' }, undefined],
])('%s', (_, headers, lane) => {
  const { headers: found } = replayOf(letter(headers, { topic: topic.events }))
  if (lane === undefined) expect(found).toEqual(headers)
  else expect(found['mun_lane']).toMatch(lane)
})
