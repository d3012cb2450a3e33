import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openBus, type Bus } from '@muniment/bus'
import { decisionRecord, initSecrets, openKeys, openSecrets, signDecision, type Keys } from '@muniment/keys'
import { readDecision } from '@muniment/keys/control'
import { createLogger } from '@muniment/runtime'
import { topic, type Alert, type Decision } from '@muniment/schema'
import { openState } from '@muniment/state'
import { createResponder, loadRules, plansOf, responseSectionSchema } from '../src/index.ts'
import { readResponse, type ResponsePlan } from '../src/response/plan.ts'
import { compilePack } from '../src/sigma/pack.ts'

const startMs = Date.parse('2026-11-30T12:00:00Z')
const minute = 60_000

function plan(text: object): ResponsePlan {
  const found = readResponse(text)
  if (found === undefined) throw new Error('no plan')
  return found
}

const escalating = plan({
  mode: 'enforce',
  scope: 'principal',
  steps: [
    { action: 'throttle', rate: 30, for: '10m' },
    { action: 'block', for: '1h' },
  ],
  cap: 3,
})

let alerts = 0

/** An alert as the detector raises it. */
function alertOf(about: { principal?: string; timeMs?: number; count?: number; rule?: string } = {}): Alert {
  const { principal = 'alice', timeMs = startMs, count = 1, rule = 'spree' } = about
  alerts += 1
  const uid = createHash('sha256').update(`${alerts}`).digest('hex').slice(0, 32)
  return {
    class_uid: 2004,
    category_uid: 2,
    activity_id: 1,
    type_uid: 200_401,
    time: timeMs,
    severity_id: 3,
    status_id: 1,
    is_alert: true,
    message: `${principal} made 412 calls in 5 min, usual are up to 60`,
    metadata: {
      uid,
      version: '1.8.0',
      product: { name: 'Muniment', vendor_name: 'Muniment', version: '0.1.0' },
      tenant_uid: 'acme',
    },
    finding_info: {
      uid,
      title: 'Spree',
      analytic: { uid: rule, name: rule, type_id: 1 },
      first_seen_time: timeMs,
      last_seen_time: timeMs,
    },
    evidences: [],
    observables: [
      { name: 'principal', type_id: 4, value: principal },
      { name: 'server', type_id: 1, value: 'files' },
      { name: 'target', type_id: 99, value: 'delete' },
    ],
    count,
    unmapped: { dedup_key: `${rule}|acme|${principal}`, source: { lane: 'detector.p0/0', seq: alerts } },
  }
}

interface World extends AsyncDisposable {
  readonly bus: Bus
  readonly keys: Keys
  readonly clock: { ms: number }
  /** Lets a responder answer alerts, crash included where asked for, and returns what was decided in all. */
  readonly answer: (raised: readonly Alert[], plans?: Plans) => Promise<Decision[]>
  /** Decides by hand. */
  readonly decide: (action: 'block' | 'observe', value: string, minutes?: number) => Promise<void>
}

type Plans = Readonly<Record<string, ResponsePlan>>

async function world(allow: readonly string[] = []): Promise<World> {
  const stack = new AsyncDisposableStack()
  const bus = stack.use(await openBus({ kind: 'memory' }))
  const state = stack.use(await openState({ kind: 'memory' }))
  const secrets = stack.use(await openSecrets({ kind: 'memory' }))
  const source = { now: Date.now, randomBytes: (size: number) => new Uint8Array(size).fill(7) }
  await initSecrets(secrets, source)
  const keys = openKeys({ secrets, state, cacheTtlMs: 60_000, ...source })
  await bus.createTopics()
  const clock = { ms: startMs }
  const signer = await keys.controlSigner()
  const verifier = await keys.controlVerifier()
  const decided = async (): Promise<Decision[]> => {
    const found: Decision[] = []
    const { signal } = new AbortController()
    for await (const { value } of bus.read({ topic: topic.control, untilEnd: true, signal })) {
      const decision = readDecision(verifier, value)
      if (typeof decision !== 'string') found.push(decision)
    }
    return found
  }
  return {
    bus,
    keys,
    clock,
    answer: async (raised, plans = { spree: escalating }) => {
      const records = raised.map(alert => Buffer.from(JSON.stringify(alert)))
      for (const value of records)
        await bus.publish(topic.alerts, [{ key: 'acme', value, headers: {}, partition: 0 }])
      const stop = new AbortController()
      const running = createResponder({
        bus,
        signer: async () => signer,
        verifier: async () => verifier,
        plans: new Map(Object.entries(plans)),
        allow,
        log: createLogger({ name: 'test', level: 'silent' }),
        now: () => clock.ms,
      }).run(stop.signal)
      const lag = async (): Promise<boolean> =>
        (await bus.describe(topic.alerts, 'muniment.detector.response')).every(
          ({ nextOffset, committedOffset }) => nextOffset === 0 || nextOffset === committedOffset,
        )
      await expect.poll(lag, { interval: 5 }).toBe(true)
      stop.abort()
      await running
      return decided()
    },
    decide: async (action, target, minutes = 60) => {
      const draft = { scope: 'principal', value: target, tenant: 'acme', action, reason: 'by hand' } as const
      const circumstances = { signer, nowMs: clock.ms, previous: undefined }
      const decision = signDecision({ ...draft, lifeMs: minutes * minute }, circumstances)
      await bus.publish(topic.control, [decisionRecord(decision)])
    },
    [Symbol.asyncDispose]: async () => stack.disposeAsync(),
  }
}

function brief(decisions: readonly Decision[]): unknown[] {
  return decisions.map(({ value, action, level }) => `${action} ${value} ${level ?? '-'}`)
}

describe('a rule with a plan', () => {
  test('decides about the caller of its tenant, with the alert, and for a while', async () => {
    await using w = await world()
    const alert = alertOf()
    const [decision] = await w.answer([alert])
    expect(decision).toMatchObject({
      scope: 'principal',
      value: 'alice',
      tenant: 'acme',
      action: 'throttle',
      rate_per_minute: 30,
      rule: 'spree',
      alert_id: alert.metadata.uid,
      reason: alert.message,
      issued: '2026-11-30T12:00:00.000Z',
      expires: '2026-11-30T12:10:00.000Z',
    })
  })

  test('in shadow decides to observe, and says what it would have done', async () => {
    await using w = await world()
    const [decision] = await w.answer([alertOf()], { spree: { ...escalating, mode: 'shadow' } })
    expect(decision).toMatchObject({ action: 'observe', would: 'throttle', rate_per_minute: 30 })
  })

  test('goes on to its next step where the caller goes on, and begins again after a quiet day', async () => {
    await using w = await world()
    await w.answer([alertOf()])
    w.clock.ms += 20 * minute
    await w.answer([alertOf({ timeMs: w.clock.ms })])
    w.clock.ms += 70 * minute
    await w.answer([alertOf({ timeMs: w.clock.ms })])
    w.clock.ms += 26 * 60 * minute
    const all = await w.answer([alertOf({ timeMs: w.clock.ms })])
    expect(brief(all)).toEqual(['throttle alice 1', 'block alice 2', 'block alice 3', 'throttle alice 1'])
  })

  test('can never act on more callers than its cap, however wild it goes', async () => {
    await using w = await world()
    const all = await w.answer(Array.from({ length: 200 }, (_, n) => alertOf({ principal: `p${n}` })))
    expect(brief(all)).toEqual(['throttle p0 1', 'throttle p1 1', 'throttle p2 1'])
    w.clock.ms += 11 * minute
    expect(await w.answer([alertOf({ principal: 'late', timeMs: w.clock.ms })])).toHaveLength(4)
  })

  test.each([
    ['the caller', 'principal/alice'],
    ['the server', 'server/files'],
    ['the tool', 'tool/delete'],
    ['the tenant', 'tenant/acme'],
  ])('never touches what is on the allow-list by %s', async (_, name) => {
    await using w = await world([name])
    expect(await w.answer([alertOf()])).toEqual([])
  })

  test('never overrules an operator, in either direction', async () => {
    await using w = await world()
    await w.decide('observe', 'alice')
    await w.decide('block', 'bob')
    const all = await w.answer([alertOf(), alertOf({ principal: 'bob' })])
    expect(brief(all)).toEqual(['observe alice -', 'block bob -'])
  })

  test('does not make milder or shorter what another rule decided', async () => {
    await using w = await world()
    const strict = plan({ mode: 'enforce', scope: 'principal', steps: [{ action: 'block', for: '1h' }] })
    const plans = { spree: escalating, strict, shadow: { ...strict, mode: 'shadow' as const } }
    const rules = ['strict', 'spree', 'shadow'].map(rule => alertOf({ rule }))
    expect(brief(await w.answer(rules, plans))).toEqual(['block alice 1'])
  })

  test.each([
    ['of fewer observations than it waits for', { count: 9 }],
    ['about nobody in particular', { principal: 'anonymous' }],
    ['older than its answer would last', { timeMs: startMs - 11 * minute }],
    ['of a rule without a plan', { rule: 'another' }],
  ])('leaves an alert alone that is %s', async (_, about) => {
    await using w = await world()
    const from = { ...escalating, from: 10 }
    expect(await w.answer([alertOf({ count: 10, ...about })], { spree: from })).toEqual([])
  })

  test('may be about a tool of one server', async () => {
    await using w = await world()
    const tool = plan({ mode: 'enforce', scope: 'tool', steps: [{ action: 'quarantine', for: '7d' }] })
    expect(brief(await w.answer([alertOf()], { spree: tool }))).toEqual(['quarantine files/delete 1'])
  })
})

test('alerts that come again after a crash lead to no second decision', async () => {
  await using w = await world()
  const raised = [alertOf(), alertOf({ principal: 'bob' }), alertOf({ timeMs: startMs + 1 })]
  w.clock.ms += 2
  const once = await w.answer(raised)
  // As a responder would see them that had died before it could commit.
  expect(await w.answer(raised)).toEqual(once)
})

describe('plans', () => {
  test.each([
    ['an unknown key', { scope: 'principal', steps: [{ action: 'block', for: '1h' }], mood: 'bad' }],
    ['no steps', { scope: 'principal', steps: [] }],
    ['a life without an end', { scope: 'principal', steps: [{ action: 'block', for: '90d' }] }],
    ['a life without a unit', { scope: 'principal', steps: [{ action: 'block', for: '90' }] }],
    ['a throttle without a rate', { scope: 'principal', steps: [{ action: 'throttle', for: '1h' }] }],
    ['a block with a rate', { scope: 'principal', steps: [{ action: 'block', rate: 3, for: '1h' }] }],
    ['more than can be overseen', { scope: 'principal', steps: [{ action: 'block', for: '1h' }], cap: 1000 }],
  ])('with %s are refused, by the name of the rule', (_, response) => {
    const source = `title: t\nid: i\ndetection: { s: { kind: call }, condition: s }\nmuniment: { response: ${JSON.stringify(response)} }`
    expect(() => compilePack([{ name: 'mine', text: source }])).toThrow(/^rule mine: response\./u)
  })

  test('that ship are in shadow, all of them', () => {
    const modes = [...plansOf(loadRules().rules).values()].map(({ mode }) => mode)
    expect(modes.length).toBeGreaterThan(2)
    expect(new Set(modes)).toEqual(new Set(['shadow']))
  })

  test('are enforced, replaced or taken away by the operator, rule by rule', () => {
    const section = responseSectionSchema.parse({
      rules: {
        'call-rate': { mode: 'enforce' },
        'data-exfiltration': 'off',
        'sql-injection': { scope: 'client', steps: [{ action: 'block', for: '5m' }] },
      },
    })
    const plans = plansOf(loadRules().rules, section)
    expect(plans.get('call-rate')?.mode).toBe('enforce')
    expect(plans.get('command-injection')?.mode).toBe('shadow')
    expect(plans.has('data-exfiltration')).toBe(false)
    expect(plans.get('sql-injection')).toMatchObject({ mode: 'shadow', scope: 'client', cap: 5 })
  })

  test.each([
    ['a rule that is not there', { 'no-such-rule': 'off' }],
    ['the mode of a rule that has no plan', { 'hidden-characters': { mode: 'enforce' } }],
  ])('cannot name %s', (_, rules) => {
    expect(() => plansOf(loadRules().rules, responseSectionSchema.parse({ rules }))).toThrow(/rule|response/u)
  })
})
