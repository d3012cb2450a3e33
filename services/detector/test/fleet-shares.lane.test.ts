import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFleetMembers, type FleetMembers } from '../src/fleet/members.ts'

const times = { lifeMs: 60_000, skewMs: 30_000, silentMs: 60_000 }
const lanes = ['a/0', 'b/0', 'c/0', 'd/0', 'e/0']

function call(lane: string) {
  return { tenant: 'acme', server: 'files', lane, kind: 'call' } as const
}

interface Said {
  readonly members: readonly string[]
  readonly of: number
  readonly untilMs: number
}

function say(members: FleetMembers, nowMs: number): readonly Said[] {
  return members.drafts().map(draft => ({
    members: draft.members ?? [],
    of: draft.of ?? 0,
    // As the process sees it whose clock is furthest behind.
    untilMs: nowMs + draft.lifeMs + times.skewMs,
  }))
}

/** The most that all who are named can spend together, each by whichever decision in force is kindest to it. */
function kindest(said: readonly Said[], nowMs: number): number {
  const inForce = said.filter(({ untilMs }) => untilMs > nowMs)
  const shares = lanes.map(lane =>
    Math.max(0, ...inForce.filter(({ members }) => members.includes(lane)).map(({ of }) => 1 / of)),
  )
  return shares.reduce((sum, share) => sum + share, 0)
}

const step = fc.record({
  afterMs: fc.integer({ min: 0, max: 40_000 }),
  seen: fc.subarray(lanes),
  isReplaced: fc.boolean(),
})

test('shares never add up to more than the whole, whichever decisions have arrived, also when another takes over', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      let nowMs = 0
      const now = (): number => nowMs
      let members = createFleetMembers(times, now)
      const said: Said[] = []
      for (const [index, { afterMs, seen, isReplaced }] of steps.entries()) {
        nowMs += afterMs
        if (isReplaced && index % 7 === 0) members = createFleetMembers(times, now)
        for (const lane of seen) members.see(call(lane))
        said.push(...say(members, nowMs))
        expect(kindest(said, nowMs)).toBeLessThanOrEqual(1 + 1e-9)
      }
    }),
    { numRuns: 300 },
  )
})

test('those that keep calling are each named', () => {
  let nowMs = 0
  const members = createFleetMembers(times, () => nowMs)
  for (; nowMs < 120_000; nowMs += 20_000) for (const lane of lanes) members.see(call(lane))
  expect(members.drafts()).toMatchObject([{ members: lanes, of: 5, tenant: 'acme', value: 'files' }])
})

test.each(['a/0#gap', 'a/0#cover', 'a/0~replay'])('%s is no process', lane => {
  let nowMs = 0
  const members = createFleetMembers(times, () => nowMs)
  for (; nowMs < 120_000; nowMs += 20_000) members.see(call(lane))
  expect(members.drafts()).toEqual([])
})

test('a flood of lanes and of servers is bounded, and leaves everybody the smallest share', () => {
  let nowMs = 0
  const members = createFleetMembers(times, () => nowMs)
  for (; nowMs < 120_000; nowMs += 20_000)
    for (let index = 0; index < 2000; index++) {
      members.see(call(`x/${index}`))
      members.see({ ...call('y/0'), server: `server-${index}` })
    }
  const drafts = members.drafts()
  expect(drafts.filter(({ value }) => value === 'files')).toEqual([])
  expect(drafts.length).toBeLessThan(1000)
})
