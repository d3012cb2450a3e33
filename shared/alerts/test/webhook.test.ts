import { expect, test } from 'vitest'
import { notice } from './alerts.ts'
import { openReceiver } from './receiver.ts'
import { testSink } from './sink-contract.ts'

testSink('webhook', openReceiver)

const { signal } = new AbortController()

test('every attempt is signed over time and body and carries the same idempotency key', async () => {
  await using lab = await openReceiver()
  lab.failNext(1)
  await lab.sink.deliver(notice(5), signal)
  expect(lab.received).toEqual([
    { idempotencyKey: 'alert-5', isSigned: true, status: 503 },
    { idempotencyKey: 'alert-5', isSigned: true, status: 204 },
  ])
})

test('it gives up after its last attempt, naming the place without its path or query', async () => {
  await using lab = await openReceiver({ attempts: 3 })
  lab.failNext(99)
  const error = await lab.sink.deliver(notice(0), signal).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  expect(String(error)).not.toContain('made-up')
  expect(lab.received.length).toBe(3)
})

test('a refusal is not tried again', async () => {
  await using lab = await openReceiver()
  lab.refuse()
  await expect(lab.sink.deliver(notice(0), signal)).rejects.toMatchObject({ code: 'SERVICE_ERROR' })
  expect(lab.received.length).toBe(1)
})

test('an answer that does not come in time counts as a failure that may pass', async () => {
  await using lab = await openReceiver({ timeoutMs: 50 })
  lab.hangNext()
  await lab.sink.deliver(notice(0), signal)
  expect(lab.received.length).toBe(2)
})
