import { Buffer } from 'node:buffer'
import { AppError } from '@muniment/schema'
import { expect, test } from 'vitest'
import { createAccumulator } from '../src/kafka/accumulator.ts'
import type { OutgoingRecord } from '../src/bus.ts'

function records(count: number, bytes: number): OutgoingRecord[] {
  return Array.from({ length: count }, () => ({ key: null, value: Buffer.alloc(bytes), headers: {} }))
}

const refusal = new AppError('BUS_REJECTED', 'refused')
const unreachable = new AppError('DEPENDENCY_UNREACHABLE', 'late')

/** How a call ended, as far as it has. */
function outcomeOf(call: Promise<void>): { readonly text: () => string } {
  let text = 'waits'
  call.then(
    () => (text = 'done'),
    (error: unknown) => (text = error instanceof AppError ? error.message : 'broken'),
  )
  return { text: () => text }
}

const turn = (): Promise<void> =>
  new Promise(resolve => {
    setImmediate(resolve)
  })

test('calls for one topic that wait share a request; another topic waits for its turn', async () => {
  const queue = createAccumulator()
  const calls = [
    queue.add('a', records(2, 10), 1),
    queue.add('b', records(1, 10), 1),
    queue.add('a', records(3, 10), 1),
  ]
  const outcomes = calls.map(outcomeOf)
  const first = queue.peek()
  expect([first?.topic, first?.records.length]).toEqual(['a', 5])
  if (first !== undefined) queue.succeed(first)
  await turn()
  expect(outcomes.map(each => each.text())).toEqual(['done', 'waits', 'done'])
  expect(queue.peek()?.topic).toBe('b')
})

test('a request is never larger than a broker takes, and a call is done with its last record', async () => {
  const queue = createAccumulator()
  const outcome = outcomeOf(queue.add('a', records(5, 400_000), 1))
  const sizes: number[] = []
  for (let load = queue.peek(); load !== undefined; load = queue.peek()) {
    expect(outcome.text()).toBe('waits')
    sizes.push(load.records.length)
    queue.succeed(load)
    await turn()
  }
  expect(sizes).toEqual([2, 2, 1])
  expect(outcome.text()).toBe('done')
})

test('a refusal hits only the call it is meant for', async () => {
  const queue = createAccumulator()
  const outcomes = [queue.add('a', records(1, 1), 1), queue.add('a', records(1, 2), 1)].map(outcomeOf)
  const both = queue.peek()
  if (both !== undefined) queue.refuse(both, refusal)
  const alone = queue.peek()
  expect(alone?.records.length).toBe(1)
  if (alone !== undefined) queue.refuse(alone, refusal)
  const other = queue.peek()
  if (other !== undefined) queue.succeed(other)
  await turn()
  expect(outcomes.map(each => each.text())).toEqual(['refused', 'done'])
})

test('calls whose time is over are rejected, later ones wait on', async () => {
  const queue = createAccumulator()
  const outcomes = [queue.add('a', records(1, 1), 10), queue.add('a', records(1, 1), 20)].map(outcomeOf)
  queue.expire(10, unreachable)
  await turn()
  expect(outcomes.map(each => each.text())).toEqual(['late', 'waits'])
  expect(queue.peek()?.records.length).toBe(1)
})

test('what waits is bounded in bytes; a single larger call is still taken', async () => {
  const queue = createAccumulator()
  const value = Buffer.alloc(900_000)
  const many = Array.from({ length: 80 }, () => ({ key: null, value, headers: {} }))
  const outcomes = [queue.add('a', many, 1), queue.add('a', records(1, 1), 1)].map(outcomeOf)
  await turn()
  expect(outcomes[0]?.text()).toBe('waits')
  expect(outcomes[1]?.text()).toContain('already wait to be published')
})
