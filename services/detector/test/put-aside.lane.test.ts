import { Buffer } from 'node:buffer'
import { openDeadLetter, replayOf } from '@muniment/bus'
import { deadLetterTopic, topic, type MunimentEvent } from '@muniment/schema'
import { expect, test } from 'vitest'
import { compilePack, loadRules, type RulePack } from '../src/sigma/pack.ts'
import type { Rule } from '../src/sigma/rule.ts'
import { alertsOn, call, contents, drain, openLab, publish, type Lab } from './fleet.ts'

const rules = ['early', 'late'].map(name => ({
  name,
  text: `title: ${name}\nid: ${name}\nlevel: high\nlogsource: { product: mcp }\ndetection: { s: { tool: ${name} }, condition: s }\n`,
}))
const linked = {
  name: 'linked',
  text: 'title: linked\nid: linked\nname: linked\nlevel: high\ncorrelation: { type: event_count, rules: [early], group-by: [server], timespan: 1h, condition: { gte: 1 } }\n',
}

function signalOn(seq: number, rule: string, aspect = ''): object {
  const time = new Date(Date.UTC(2026, 10, 20, 8, 0, seq)).toISOString()
  const of = { tenant: 'default', principal: 'kim', server: 'files', kind: 'call', outcome: 'ok' }
  const hits = [{ rule, score: 0.9, severity: 4 }]
  return { ...of, event_id: `e${seq}`, time, hits, lane: `host/0${aspect}`, seq }
}

function record(signal: object): { key: string; value: Buffer; headers: Record<string, string> } {
  const { lane, seq } = { lane: '', seq: 0, ...signal }
  return {
    key: 'default/kim',
    value: Buffer.from(JSON.stringify(signal)),
    headers: { mun_lane: lane, mun_seq: String(seq) },
  }
}

/** A pack whose rule cannot be looked up, as if its detector were broken. */
function broken(pack: RulePack, name: string): RulePack {
  const byName = new Map(pack.byName)
  byName.get = wanted => {
    if (wanted === name) throw new TypeError('broken')
    return Map.prototype.get.call(byName, wanted)
  }
  return { ...pack, byName, digest: 'broken' }
}

async function replayAll(lab: Lab): Promise<void> {
  const { signal } = new AbortController()
  const letters = lab.bus.read({ topic: deadLetterTopic(topic.signals), untilEnd: true, signal })
  for await (const letter of letters) {
    const opened = openDeadLetter(letter)
    if (opened !== undefined) await lab.bus.publish(topic.signals, [replayOf(opened)])
  }
}

test.each([
  ['of a principal', '', 'early'],
  ['of a group', '#by:linked', 'linked'],
])(
  'a signal %s that was put aside is judged after its replay, once, though later numbers came',
  async (_, aspect, title) => {
    await using lab = await openLab()
    const whole = compilePack([...rules, ...(aspect === '' ? [] : [linked])])
    await lab.bus.publish(
      topic.signals,
      [signalOn(0, 'early', aspect), signalOn(1, 'late', aspect)].map(record),
    )
    await drain(lab, { pack: broken(whole, 'early') })
    const before = (await alertsOn(lab.bus)).map(alert => alert.finding_info.title)
    expect(before).not.toContain(title)
    for (let round = 0; round < 2; round += 1) {
      await replayAll(lab)
      await drain(lab, { pack: whole })
      const after = (await alertsOn(lab.bus)).map(alert => alert.finding_info.title)
      expect(after).toEqual([...before, title])
    }
  },
)

/** The shipped rules, and one that fails at every call of `early`; with `changed` in place of the rule that tells of it. */
function failing(changed: Partial<Rule> = {}): RulePack {
  const shipped = loadRules()
  const odd = compilePack(rules.slice(0, 1)).rules.map(rule => ({
    ...rule,
    matches: () => {
      throw new TypeError('cannot read the secret of ada@example.org')
    },
  }))
  const own = shipped.rules.map(rule =>
    rule.behaviour === 'put_aside'
      ? Object.defineProperties({ ...rule }, Object.getOwnPropertyDescriptors(changed))
      : rule,
  )
  return {
    ...shipped,
    rules: [...own, ...odd],
    byName: new Map([...own, ...odd].map(each => [each.name, each])),
  }
}

const secret = 'ada@example.org'
const failingCalls = (count: number): MunimentEvent[] =>
  Array.from({ length: count }, (_, seq) => call(seq, 'early', { to: secret, query: '1 OR 1=1' }))

test('whoever makes a detector fail is told of: one finding, notified at the 1st and 10th time, without content, and counted', async () => {
  await using lab = await openLab()
  let deadLetters = 0
  const onDeadLetters = (count: number): void => {
    deadLetters += count
  }
  await publish(lab.bus, failingCalls(12))
  await drain(lab, { pack: failing(), onDeadLetters })
  const alerts = (await alertsOn(lab.bus)).filter(each => each.finding_info.analytic.name === 'put-aside')
  expect(alerts.map(({ count }) => count)).toEqual([1, 10])
  expect(new Set(alerts.map(({ finding_info: { uid } }) => uid)).size).toBe(1)
  expect(alerts[0]?.message).toContain('detector.content could not judge the record mcp.events/')
  expect(JSON.stringify(alerts)).not.toMatch(/ada@|secret|OR 1=1/u)
  expect(deadLetters).toBe(12)
  expect(await contents(lab.bus, deadLetterTopic(topic.events))).toHaveLength(12)
})

test('records that are no events or signals are told of, each kind once', async () => {
  await using lab = await openLab()
  const noise = { key: 'x', value: Buffer.from('{"secret":'), headers: {} }
  await lab.bus.publish(topic.events, [noise, noise])
  await lab.bus.publish(topic.signals, [noise])
  await drain(lab)
  const messages = (await alertsOn(lab.bus)).map(({ message }) => message)
  expect(messages.toSorted()).toEqual([
    expect.stringMatching(/^detector\.behaviour .* \(SCHEMA_UNKNOWN\)/u),
    expect.stringMatching(/^detector\.content .* \(BATCH_MALFORMED\)/u),
  ])
})

test('a finding that fails in its turn is put aside, and says nothing of itself', async () => {
  await using lab = await openLab()
  await publish(lab.bus, failingCalls(3))
  const pack = failing({
    get score(): number {
      throw new TypeError('broken')
    },
  })
  await drain(lab, { pack })
  expect(await contents(lab.bus, deadLetterTopic(topic.signals))).toHaveLength(3)
  const signals = await contents(lab.bus, topic.signals)
  expect(signals.filter(({ headers }) => headers['mun_lane']?.includes('#refused') === true)).toHaveLength(3)
})

const odd = [null, 7, -1, 0.5, 'x', '', true, [], [null], {}, { x: null }, ['x', 7]]

test('a signal that is spoilt at any place is refused before the state knows of it, or folded whole', async () => {
  await using lab = await openLab()
  const whole = {
    ...signalOn(0, 'early'),
    method: 'tools/call',
    target: 'early',
    client: 'desk',
    duration_ms: 5,
    response_bytes: 9,
    definitions: { early: 'aa' },
    traits: [['client', 'desk', '']],
    flow: { classes: ['private', 'egress'], out: ['a'], in: ['b'] },
    args: 3,
    tally: { window: 1, calls: 1, errors: 0, bytes: 1, steps: { 3: 1 } },
    handle: 'ff',
    gap: { from_seq: 0, to_seq: 0, reason: 'ring_full', count: 1 },
    refused: { stage: 'detector.content', code: 'RULE_FAILED', place: 'mcp.events/0/0' },
  }
  const aspects = [
    '',
    '#server',
    '#names',
    '#handle0',
    '#gap',
    '#cover',
    '#alive',
    '#tally',
    '#model',
    '#tick',
    '#refused',
  ]
  const spoilt = aspects.flatMap((aspect, which) =>
    [...Object.keys(whole), 'seq'].flatMap((name, at) =>
      odd.map((value, kind) => ({
        ...whole,
        lane: `host/0${aspect}`,
        seq: which * 1_000 + at * 20 + kind,
        [name]: value,
      })),
    ),
  )
  await lab.bus.publish(
    topic.signals,
    spoilt.map(each => ({ ...record(each), headers: {} })),
  )
  await drain(lab)
  const letters = await contents(lab.bus, deadLetterTopic(topic.signals))
  expect(letters.length).toBeGreaterThan(spoilt.length / 2)
  expect(new Set(letters.map(({ headers }) => headers['mun_error_code']))).toEqual(
    new Set(['SCHEMA_UNKNOWN']),
  )
})
