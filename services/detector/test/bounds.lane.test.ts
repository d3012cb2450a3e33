import { expect, test } from 'vitest'
import type { Signal } from '@muniment/schema'
import { createFold } from '../src/behaviour/fold.ts'
import { bound, emptyState, encodeState } from '../src/behaviour/state.ts'
import { loadRules } from '../src/index.ts'

function signal(seq: number, principal: string): Signal {
  return {
    event_id: `e${seq}`,
    time: new Date(1_770_000_000_000 + seq * 1000).toISOString(),
    tenant: 'default',
    kind: 'call',
    principal,
    hits: [],
    lane: `lane-${seq % 7}/0`,
    seq,
  }
}

test('what was not renewed for longest is forgotten first, and counted', () => {
  const state = emptyState(0)
  for (const name of ['a', 'b', 'c', 'd']) state.watermarks.set(name, [0, 0])
  bound(state, 'watermarks', 2)
  expect([...state.watermarks.keys()]).toEqual(['c', 'd'])
  expect(state.evicted).toEqual({ watermarks: 2 })
})

test('twenty thousand principals take little room in a snapshot', async () => {
  const fold = createFold(loadRules(), 0)
  const state = emptyState(0)
  for (let seq = 0; seq < 20_000; seq += 1) fold.step(state, signal(seq, `user-${seq}`), 0)
  // Calls and bytes of each.
  expect(state.rates.size).toBe(2 * 20_000)
  expect((await encodeState(state)).byteLength).toBeLessThan(400_000)
})

test('lanes that can no longer come again are forgotten', () => {
  const fold = createFold(loadRules(), 0)
  const state = emptyState(0)
  fold.step(state, { ...signal(0, 'a'), lane: 'old/0' }, 0)
  fold.step(state, { ...signal(1, 'a'), lane: 'new/0' }, 30 * 3_600_000)
  expect([...state.watermarks.keys()]).toEqual(['new/0'])
})
