import type { StateStore } from '@muniment/state'
import { AppError, type Alert } from '@muniment/schema'

/** A verdict on one alert, and with it on the rule that raised it. */
export interface Verdict {
  readonly alert: string
  readonly rule: string
  readonly tenant: string
  readonly dedupKey: string
  readonly verdict: 'ack' | 'false_positive'
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly timeMs: number
  /** Until when alerts of the same dedup key are neither delivered nor answered; they are recorded all the same. */
  readonly exceptUntilMs?: number
}

/** How a rule has fared with people. */
export interface RuleStats {
  readonly rule: string
  readonly acked: number
  readonly falsePositives: number
  /** Share of verdicts that were no false alarm. */
  readonly precision: number
}

const folder = 'alerts/verdicts'
const exceptionsKey = 'alerts/exceptions'
const mostExceptions = 1000
const decoder = new TextDecoder()
const encoder = new TextEncoder()

interface Exception {
  readonly dedupKey: string
  readonly untilMs: number
}

function keyOf(uid: string): string {
  return `${folder}/${uid}`
}

/** The verdict on an alert; a later one replaces an earlier one. */
export function verdictOn(
  alert: Alert,
  said: Pick<Verdict, 'verdict' | 'reason' | 'timeMs' | 'exceptUntilMs'>,
): Verdict {
  const { analytic } = alert.finding_info
  return {
    alert: alert.metadata.uid,
    rule: analytic.name ?? analytic.uid,
    tenant: alert.metadata.tenant_uid,
    dedupKey: alert.unmapped.dedup_key,
    ...said,
  }
}

async function replace(
  state: StateStore,
  key: string,
  change: (old: string | undefined) => string,
): Promise<void> {
  for (;;) {
    const entry = await state.get(key)
    const text = change(entry && decoder.decode(entry.value))
    if ((await state.put(key, encoder.encode(text), entry?.version)) !== undefined) return
  }
}

function isException(value: unknown): value is Exception {
  if (typeof value !== 'object' || value === null || !('dedupKey' in value) || !('untilMs' in value))
    return false
  return typeof value.dedupKey === 'string' && typeof value.untilMs === 'number'
}

function parseExceptions(text: string | undefined): readonly Exception[] {
  const value: unknown = text === undefined ? [] : JSON.parse(text)
  return Array.isArray(value) ? value.filter(isException) : []
}

function addException(text: string | undefined, { dedupKey, exceptUntilMs, timeMs }: Verdict): string {
  const others = parseExceptions(text).filter(each => each.dedupKey !== dedupKey && each.untilMs > timeMs)
  if (exceptUntilMs === undefined) return JSON.stringify(others)
  if (others.length >= mostExceptions)
    throw new AppError('LIMIT_EXCEEDED', `There are ${mostExceptions} exceptions already.`, {
      hint: 'Mend the rule instead, or wait until some have expired.',
    })
  return JSON.stringify([...others, { dedupKey, untilMs: exceptUntilMs }])
}

/** Keeps a verdict, and begins or ends the exception that goes with it. */
export async function keepVerdict(state: StateStore, verdict: Verdict): Promise<void> {
  await replace(state, exceptionsKey, text => addException(text, verdict))
  await replace(state, keyOf(verdict.alert), () => JSON.stringify(verdict))
}

function isVerdict(value: unknown): value is Pick<Verdict, 'rule' | 'verdict'> {
  return typeof value === 'object' && value !== null && 'rule' in value && 'verdict' in value
}

/** Verdicts by rule, least precise first. */
export async function ruleStats(state: StateStore): Promise<readonly RuleStats[]> {
  const counts = new Map<string, { acked: number; falsePositives: number }>()
  for await (const key of state.list(`${folder}/`)) {
    const entry = await state.get(key)
    const value: unknown = entry && JSON.parse(decoder.decode(entry.value))
    if (!isVerdict(value)) continue
    const count = counts.get(value.rule) ?? { acked: 0, falsePositives: 0 }
    count[value.verdict === 'ack' ? 'acked' : 'falsePositives'] += 1
    counts.set(value.rule, count)
  }
  const stats = [...counts].map(([rule, { acked, falsePositives }]) => {
    const precision = acked / (acked + falsePositives)
    return { rule, acked, falsePositives, precision }
  })
  return stats.toSorted((a, b) => a.precision - b.precision)
}

const rereadMs = 5000

/** Tells which alerts an exception holds back; looks every few seconds whether there are others. */
export function createExceptions(state: StateStore, now: () => number): (alert: Alert) => Promise<boolean> {
  let known: readonly Exception[] = []
  let readMs = -Infinity
  return async alert => {
    const nowMs = now()
    if (nowMs - readMs >= rereadMs) {
      const entry = await state.get(exceptionsKey)
      known = parseExceptions(entry && decoder.decode(entry.value))
      readMs = nowMs
    }
    return known.some(({ dedupKey, untilMs }) => dedupKey === alert.unmapped.dedup_key && untilMs > nowMs)
  }
}
