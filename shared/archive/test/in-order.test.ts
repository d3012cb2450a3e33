import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { inOrder } from '../src/in-order.ts'

async function work(item: number): Promise<number> {
  await sleep(item === 0 ? 20 : 1)
  if (item === 1) throw new Error('second')
  return item
}

test('a failure is told in its turn, although it came while an earlier item was waited for', async () => {
  const seen: number[] = []
  const listen = async (): Promise<void> => {
    for await (const item of inOrder([0, 1, 2], 3, work)) seen.push(item)
  }
  // An unhandled rejection would fail the run.
  await expect(listen()).rejects.toThrow('second')
  expect(seen).toEqual([0])
})
