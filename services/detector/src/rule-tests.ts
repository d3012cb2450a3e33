import { createSecretKey } from 'node:crypto'
import type { Signal } from '@muniment/schema'
import { createFold, foldWhole } from './behaviour/fold.ts'
import { emptyState } from './behaviour/state.ts'
import { classify } from './classify.ts'
import { everyMs, exampleEvents, exampleStartMs } from './example-events.ts'
import { createReplay } from './replay.ts'
import type { RulePack } from './sigma/pack.ts'
import type { Example, Rule } from './sigma/rule.ts'
import { arrangeRules } from './signal.ts'
import { tickOf } from './times.ts'

/** A test of a rule that did not end as the rule says it must. */
export interface FailedExample {
  readonly rule: string
  readonly expected: 'must_fire' | 'must_not_fire'
  readonly example: Example
}

function markOf(aspect: unknown, method: unknown): string {
  if (aspect === 'call') return ''
  if (typeof aspect === 'string') return `#${aspect}`
  return typeof method === 'string' ? '#server' : ''
}

const minuteMs = 60_000

/** What the content stage says of time before each signal, where a minute has begun. */
function ticked(signals: readonly Signal[]): readonly Signal[] {
  let reached = -1
  return signals.flatMap(signal => {
    const minute = Math.floor(Date.parse(signal.time) / minuteMs)
    const ticks = minute > reached ? [tickOf(minute, 0, { id: signal.event_id, tenant: signal.tenant })] : []
    reached = Math.max(reached, minute)
    return signal.lane.endsWith('#tick') ? ticks : [...ticks, signal]
  })
}

/** The signals of an example: each entry repeated at its pace, one after the other. */
function signalsOf(example: Example): readonly Signal[] {
  const entries: readonly Record<string, unknown>[] = Array.isArray(example['signals'])
    ? example['signals']
    : []
  const signals: Signal[] = []
  let timeMs = exampleStartMs
  for (const { repeat, every, aspect, ...fields } of entries) {
    for (let count = 0; count < Number(repeat ?? 1); count += 1) {
      timeMs += everyMs(every)
      signals.push({
        event_id: `example-${signals.length}`,
        time: new Date(timeMs).toISOString(),
        tenant: 'default',
        kind: 'call',
        principal: 'alice',
        server: 'files',
        hits: [],
        seq: signals.length,
        ...fields,
        lane: `example/0${markOf(aspect, fields['method'])}`,
      })
    }
  }
  return signals
}

function textIn(example: Example, name: string, otherwise: string): string {
  const value = example[name]
  return typeof value === 'string' ? value : otherwise
}

const testKey = createSecretKey(Buffer.alloc(32, 1))

function firesOnEvents(pack: RulePack, rule: Rule, example: Example): boolean {
  const replay = createReplay(pack, testKey)
  const results = exampleEvents(example).map(event => replay.next(event))
  const isAlerted = results.some(({ alerts }) =>
    alerts.some(alert => alert.finding_info.analytic.name === rule.name),
  )
  return isAlerted || results.some(({ fired }) => fired.some(each => each.rule === rule))
}

function firesOnSignals(pack: RulePack, rule: Rule, example: Example): boolean {
  const fold = createFold(pack, 0)
  const state = emptyState(0)
  const alerts = ticked(signalsOf(example)).flatMap(signal =>
    foldWhole(fold, state, { signal, timestampMs: Date.parse(signal.time) }),
  )
  return alerts.some(alert => alert.finding_info.analytic.name === rule.name)
}

function fires(pack: RulePack, rule: Rule, example: Example): boolean {
  if (example['events'] !== undefined) return firesOnEvents(pack, rule, example)
  if (rule.behaviour !== undefined) return firesOnSignals(pack, rule, example)
  const [kind, text] = [textIn(example, 'kind', 'tool_args'), textIn(example, 'text', '')]
  const event = { kind, text, arguments: example['arguments'] }
  return classify(event, arrangeRules({ rules: [rule], links: [] })).rules.includes(rule.name)
}

/** Runs the tests that the rules carry; returns those that did not end as they must. */
export function testRules(pack: RulePack): readonly FailedExample[] {
  return pack.rules.flatMap(rule => {
    const { mustFire, mustNotFire } = rule
    const silent = mustFire.filter(example => !fires(pack, rule, example))
    const noisy = mustNotFire.filter(example => fires(pack, rule, example))
    return [
      ...silent.map((example): FailedExample => ({ rule: rule.name, expected: 'must_fire', example })),
      ...noisy.map((example): FailedExample => ({ rule: rule.name, expected: 'must_not_fire', example })),
    ]
  })
}
