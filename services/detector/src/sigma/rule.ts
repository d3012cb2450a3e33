import { createHash } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { parse } from 'yaml'
import { readResponse, type ResponsePlan } from '../response/plan.ts'
import { compileCondition } from './condition.ts'
import { compileField, type Facts, type Scalar } from './value.ts'

const levels = ['informational', 'low', 'medium', 'high', 'critical']
const dedupFields = new Set(['principal', 'server', 'target', 'lane', 'client'])
const behaviours = ['rate', 'first_seen', 'definition_changed', 'lane_gap', 'lane_hole'] as const

/** What a rule about many events looks at. */
export type Behaviour = (typeof behaviours)[number]

/** A rule ready to run. */
export interface Rule {
  readonly id: string
  /** File name without extension: the short name that alerts and scores show. */
  readonly name: string
  readonly title: string
  readonly description: string
  readonly tags: readonly string[]
  /** OCSF severity, 1 informational … 5 critical. */
  readonly severity: number
  /** Hash of the source, so that a finding names the very text that raised it. */
  readonly version: string
  readonly matches: (facts: Facts) => boolean
  /** Fields named anywhere in the detection. */
  readonly fields: ReadonlySet<string>
  /** The behaviour rule that raises this; absent = the rule fires on single events. */
  readonly behaviour: Behaviour | undefined
  /** Numbers; durations in milliseconds. */
  readonly settings: Readonly<Record<string, number>>
  readonly dedupKeys: readonly string[]
  readonly dedupPeriodMs: number
  readonly score: number | undefined
  /** What is decided about what the rule finds; absent = nothing. */
  readonly response: ResponsePlan | undefined
  readonly mustFire: readonly Example[]
  readonly mustNotFire: readonly Example[]
}

/** One test of a rule: the facts, or the event, it is tried on. */
export type Example = Readonly<Record<string, unknown>>

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of `90s`, `15m`, `24h`, `7d` (Sigma's timespan). */
function durationMs(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,6})([smhd])$/u.exec(text) ?? []
  const factor = units[unit]
  if (factor === undefined)
    throw new AppError('CONFIG_INVALID', `${JSON.stringify(text)} is not a duration like 15m`)
  return Number(amount) * factor
}

type Fields = Readonly<Record<string, unknown>>

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldsOf(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new AppError('CONFIG_INVALID', `${what} is not a map`)
  return value
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '') throw new AppError('CONFIG_INVALID', `${what} is not a text`)
  return value
}

function textsOf(value: unknown, what: string): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new AppError('CONFIG_INVALID', `${what} is not a list`)
  return value.map(entry => textOf(entry, what))
}

function examplesOf(value: unknown, what: string): readonly Example[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new AppError('CONFIG_INVALID', `${what} is missing or empty`)
  return value.map(entry => fieldsOf(entry, what))
}

function scalarOf(value: unknown): Scalar {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  throw new AppError(
    'CONFIG_INVALID',
    'a search compares with something that is not a text, number, boolean or null',
  )
}

function compileSearch(definition: unknown, fields: Set<string>): (facts: Facts) => boolean {
  if (Array.isArray(definition)) {
    const tests = definition.map(part => compileSearch(part, fields))
    return facts => tests.some(test => test(facts))
  }
  const tests = Object.entries(fieldsOf(definition, 'a search')).map(([name, value]) => {
    fields.add(name.split('|')[0] ?? '')
    return compileField(name, Array.isArray(value) ? value.map(scalarOf) : [scalarOf(value)])
  })
  return facts => tests.every(test => test(facts))
}

function compileDetection(detection: Fields): Pick<Rule, 'matches' | 'fields'> {
  const { condition, timeframe: _, ...searches } = detection
  const fields = new Set<string>()
  const compiled = new Map(
    Object.entries(searches).map(([name, definition]) => [name, compileSearch(definition, fields)] as const),
  )
  return { matches: compileCondition(textOf(condition, 'condition'), compiled), fields }
}

function refuseUnknown(block: Fields, known: readonly string[], what: string): void {
  const unknown = Object.keys(block).find(key => !known.includes(key))
  if (unknown !== undefined) throw new AppError('CONFIG_INVALID', `${what} has the unknown key ${unknown}`)
}

function settingsOf(value: unknown): Rule['settings'] {
  const entries = Object.entries(fieldsOf(value ?? {}, 'settings'))
  return Object.fromEntries(
    entries.map(([key, setting]) => [
      key,
      typeof setting === 'number' ? setting : durationMs(textOf(setting, key)),
    ]),
  )
}

function readBlock(
  value: unknown,
): Omit<
  Rule,
  'matches' | 'fields' | 'id' | 'name' | 'title' | 'description' | 'tags' | 'severity' | 'version'
> {
  const block = fieldsOf(value ?? {}, 'muniment')
  refuseUnknown(block, ['dedup', 'score', 'behaviour', 'settings', 'response', 'tests'], 'muniment')
  const dedup = fieldsOf(block['dedup'] ?? { keys: ['principal', 'server'], period: '1h' }, 'dedup')
  refuseUnknown(dedup, ['keys', 'period'], 'dedup')
  const dedupKeys = textsOf(dedup['keys'], 'dedup.keys')
  const wrong = dedupKeys.find(key => !dedupFields.has(key))
  if (wrong !== undefined) throw new AppError('CONFIG_INVALID', `dedup.keys has the unknown field ${wrong}`)
  const behaviour = behaviours.find(known => known === block['behaviour'])
  if (block['behaviour'] !== undefined && behaviour === undefined) {
    throw new AppError('CONFIG_INVALID', 'muniment.behaviour names no known behaviour')
  }
  const tests = block['tests'] === undefined ? undefined : fieldsOf(block['tests'], 'tests')
  return {
    behaviour,
    settings: settingsOf(block['settings']),
    dedupKeys,
    dedupPeriodMs: durationMs(textOf(dedup['period'], 'dedup.period')),
    score: typeof block['score'] === 'number' ? block['score'] : undefined,
    response: readResponse(block['response']),
    mustFire: tests === undefined ? [] : examplesOf(tests['must_fire'], 'tests.must_fire'),
    mustNotFire: tests === undefined ? [] : examplesOf(tests['must_not_fire'], 'tests.must_not_fire'),
  }
}

/** Compiles one Sigma 2.1 rule, with or without the `muniment` block; throws `CONFIG_INVALID` naming the rule and what is wrong. */
export function compileRule(name: string, source: string): Rule {
  try {
    const raw = fieldsOf(parse(source), 'the rule')
    const level = levels.indexOf(textOf(raw['level'] ?? 'medium', 'level'))
    if (level < 0) throw new AppError('CONFIG_INVALID', "level is none of Sigma's")
    return {
      id: textOf(raw['id'], 'id'),
      name,
      title: textOf(raw['title'], 'title'),
      description: typeof raw['description'] === 'string' ? raw['description'].trim() : '',
      tags: textsOf(raw['tags'], 'tags'),
      severity: level + 1,
      version: createHash('sha256').update(source).digest('hex').slice(0, 12),
      ...compileDetection(fieldsOf(raw['detection'], 'detection')),
      ...readBlock(raw['muniment']),
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new AppError('CONFIG_INVALID', `rule ${name}: ${why}`, { cause: error })
  }
}
