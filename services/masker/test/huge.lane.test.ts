// Messages that no record can hold whole.
import { expect, test } from 'vitest'
import type { OutgoingRecord } from '@muniment/bus'
import {
  answer,
  call,
  createRig,
  createTestKeys,
  eventOf,
  frameOf,
  observationAt,
  sealFrames,
} from './fixture.ts'

const { keys, publicText } = await createTestKeys()

const batchOf = (request: string, response = answer('ok')): OutgoingRecord[] =>
  sealFrames([frameOf(observationAt(0), request, response)], { publicText, firstSeq: 0, lastSeq: 0 })

test('masks what it keeps of a huge message as in the whole, and counts what is in the rest', async () => {
  const rig = await createRig(keys)
  const people = Array.from({ length: 30_000 }, (_, at) => ({
    note: 'x'.repeat(40),
    ssn: 512_340_001 + at * 7,
  }))
  await rig.publish(batchOf(call('short'), answer(JSON.stringify(people))))
  await rig.work()
  const [record] = await rig.events()
  const { request, response, pii } = eventOf(record)
  expect(request).toMatchObject({ truncated: true, body: call('short') })
  expect(response).toMatchObject({ truncated: true })
  expect(String(response?.body)).toMatch(/^\{"jsonrpc"/u)
  expect(String(response?.body).length).toBeGreaterThan(50_000)
  expect(/\d{6}/u.test(String(response?.body))).toBe(false)
  expect(pii.findings.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(14_000)
})

test('shows no value of a huge message, wherever the cut goes through it', async () => {
  const value = 'ada.lovelace@example.com'
  for (const shift of [0, 5, 12, 21]) {
    const rig = await createRig(keys)
    const list = JSON.stringify({ all: Array.from({ length: 36_000 }, () => value) })
    await rig.publish(batchOf(call(`${'y'.repeat(shift)}${list}`)))
    await rig.work()
    const [record] = await rig.events()
    expect(Buffer.from(record?.value ?? []).toString(), `shift ${shift}`).not.toMatch(
      /lovelace|ada\.|example\.c/u,
    )
  }
})
