// Whatever dies whenever: every call is in the archive exactly once, masked and in order, and so is every alert.
import { expect, vi } from 'vitest'
import { z } from 'zod'
import { attackEvery, attackOf, isAttack } from '../fixtures/parcels.ts'
import { ask, rowsOf, type Installation } from './installation.ts'
import { startProducer, type Producer } from './producers.ts'

/** A source of numbers from 0 up to, not including, `below`, the same for the same seed (mulberry32). */
export type Dice = (below: number) => number

export function createDice(seed: number): Dice {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Something that is killed and comes back while producers call. */
export interface Victim {
  readonly name: string
  readonly kill9: () => Promise<void>
  readonly restart: () => Promise<void>
}

export interface Storm {
  readonly dice: Dice
  readonly callsPerRound: number
  /** Who dies in each round, at moments of the dice's choice. */
  readonly rounds: readonly (readonly Victim[])[]
}

const rows = {
  call: z.object({ lane: z.string(), seq: z.number(), tool: z.string(), message: z.string().nullable() }),
  count: z.object({ n: z.number(), ids: z.number() }),
  text: z.object({ text: z.string() }),
}

function callsOf(producer: string): string {
  return `select source_instance as lane, source_seq as seq, target as tool,
    json_extract_string(request, '$.params.arguments.message') as message
    from events where method = 'tools/call' and client_name = '${producer}' and archived order by partition_offset`
}

/** Starts four producers, observed in every way. */
export async function startProducers(env: Readonly<Record<string, string>>): Promise<readonly Producer[]> {
  const hows = [
    ['anna', 'v1'],
    ['boris', 'v2'],
    ['clara', 'wrap'],
    ['dmitri', 'wrap'],
  ] as const
  return await Promise.all(hows.map(async ([name, how]) => await startProducer(name, how, env)))
}

async function strike(victim: Victim, producer: Producer, calls: number): Promise<void> {
  await producer.reached(calls)
  await victim.kill9()
  await victim.restart()
}

/** Lets everybody call, round after round, while the victims die and come back. */
export async function rage(
  { dice, callsPerRound, rounds }: Storm,
  producers: readonly Producer[],
): Promise<void> {
  for (const victims of rounds) {
    const ends = producers.map(producer => producer.made() + callsPerRound)
    const strikes = victims.map(async victim => {
      const producer = producers[dice(producers.length)]
      const after = dice(callsPerRound)
      if (producer !== undefined) await strike(victim, producer, producer.made() + after)
    })
    for (const producer of producers) producer.burst(callsPerRound)
    await Promise.all(producers.map(async (producer, at) => await producer.reached(ends[at] ?? 0)))
    await Promise.all(strikes)
  }
}

function expectedMessages(producers: readonly Producer[]): readonly string[] {
  return producers.flatMap(({ name, made }) =>
    Array.from({ length: made() }, (_, index) => index + 1)
      .filter(call => !isAttack(call))
      .map(call => `parcel ${name}-${call} for [EMAIL]`),
  )
}

function expectedAttacks(producers: readonly Producer[]): readonly string[] {
  return producers.flatMap(({ name, made }) =>
    Array.from({ length: Math.floor(made() / attackEvery) }, (_, index) => (index + 1) * attackEvery).map(
      call => attackOf(name, call).tool,
    ),
  )
}

function outOfOrder(calls: readonly z.infer<typeof rows.call>[]): readonly unknown[] {
  return calls.filter((call, at) => {
    const before = calls[at - 1]
    return before !== undefined && before.lane === call.lane && before.seq >= call.seq
  })
}

/** Resolves when everything that was called is archived. */
export async function untilArchived({ reader }: Installation, calls: number): Promise<void> {
  const sql = `select count(*) n, count(distinct id) ids from events where method = 'tools/call' and archived`
  await vi.waitFor(
    async () => expect((await rowsOf(reader, sql, rows.count))[0]?.n).toBeGreaterThanOrEqual(calls),
    { timeout: 90_000, interval: 1000 },
  )
}

/** Every call exactly once, masked, in the order of its lane. */
export async function expectCalls({ reader }: Installation, producers: readonly Producer[]): Promise<void> {
  const calls = (
    await Promise.all(producers.map(async ({ name }) => await rowsOf(reader, callsOf(name), rows.call)))
  ).flat()
  const [messages, attacks] = [expectedMessages(producers), expectedAttacks(producers)]
  const found = calls.flatMap(({ message }) => (message === null ? [] : [message]))
  expect(new Set(found)).toEqual(new Set(messages))
  expect(found).toHaveLength(messages.length)
  expect(
    calls
      .filter(({ message }) => message === null)
      .map(({ tool }) => tool)
      .toSorted(),
  ).toEqual(attacks.toSorted())
  expect(outOfOrder(calls)).toEqual([])
  const unmasked = `select count(*) n, 0 as ids from events where contains(raw, '@parcels.example')`
  expect(await rowsOf(reader, unmasked, rows.count)).toEqual([{ n: 0, ids: 0 }])
}

/** Each attack was the first on its tool, so there is one alert for each, and no id twice. */
export async function expectAlerts({ reader }: Installation, producers: readonly Producer[]): Promise<void> {
  const attacks = expectedAttacks(producers)
  const sql = `select regexp_extract(message, 'tool (ask_[a-z]+_[0-9]+)', 1) as "text" from alerts
    where rule_name = 'sql-injection' and archived`
  await vi.waitFor(
    async () => {
      const tools = (await rowsOf(reader, sql, rows.text)).map(({ text }) => text)
      expect(tools.toSorted()).toEqual(attacks.toSorted())
    },
    { timeout: 60_000, interval: 1000 },
  )
  const [count] = await rowsOf(reader, 'select count(*) n, count(distinct id) ids from alerts', rows.count)
  expect(count?.n).toBe(count?.ids)
}

/** Nothing altered, nothing missing. */
export async function expectVerified({ reader }: Installation): Promise<void> {
  const answer = await ask(['verify'], reader)
  expect(`${answer.code} ${answer.stderr}`).toMatch(/^0 ✔/u)
}
