// What laws over many random steps share.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'vitest'
import type { Seen } from './support.ts'

/** Numbers that look random and come again with their seed (mulberry32). */
export function randomOf(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d_2b_79_f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** Bytes in use after everything that can go is gone. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  return process.memoryUsage().heapUsed
}

export interface Chance {
  readonly below: (limit: number) => number
  /** Marks of the requests that were sent so far. */
  readonly sent: Set<string>
}

export function chance(seed: number): Chance {
  return { below: randomOf(seed), sent: new Set() }
}

/** A request, a second one of an id that is open or not, and from either side. */
export function request({ below, sent }: Chance): object {
  const mark = `m${sent.size}`
  sent.add(mark)
  const id = below(2) === 0 ? below(12) : `s${below(6)}`
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name: mark } }
}

/** What may be said, each as likely as it stands here often; answers are to requests that are open, were answered before, or never were. */
const sayings: readonly ((by: Chance) => object)[] = [
  request,
  request,
  request,
  request,
  ({ below }) => ({ jsonrpc: '2.0', id: below(14), result: { content: [] } }),
  ({ below }) => ({ jsonrpc: '2.0', id: `s${below(7)}`, result: {} }),
  ({ below }) => ({ jsonrpc: '2.0', id: below(12), error: { code: -1, message: 'no' } }),
  ({ below }) => ({
    jsonrpc: '2.0',
    method: 'notifications/cancelled',
    params: { requestId: below(14) },
  }),
  () => ({ jsonrpc: '2.0', method: 'notifications/progress' }),
  () => [null, 7, {}],
]

export function saying(by: Chance): object {
  return (sayings[by.below(sayings.length)] ?? request)(by)
}

/** How often each request came to an end. */
function endsIn(seen: readonly Seen[]): Map<string, number> {
  const ends = new Map<string, number>()
  for (const { observation } of seen) {
    const { kind, target } = observation
    if (kind === 'begun' || target === undefined || !/^m\d+$/u.test(target)) continue
    ends.set(target, (ends.get(target) ?? 0) + 1)
  }
  return ends
}

/** Each request that was sent ended once; of those that may never have arrived, none ended twice. */
export function expectOneEach(
  seen: readonly Seen[],
  sent: ReadonlySet<string>,
  unsure: ReadonlySet<string> = new Set(),
): void {
  const ends = endsIn(seen)
  const wrong = [...sent].filter(mark => ends.get(mark) !== 1 && !(unsure.has(mark) && !ends.has(mark)))
  expect(wrong).toEqual([])
  expect([...ends.keys()].filter(mark => !sent.has(mark))).toEqual([])
}
