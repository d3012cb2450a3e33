import { createHash } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { readResponse, type ResponsePlan } from '../response/plan.ts'
import { compileCorrelation, type Correlation } from './correlation.ts'
import { compileDetection } from './detection.ts'
import type { Facts } from './facts.ts'
import { durationMs, fieldsOf, refuse, refuseUnknown, textOf, textsOf, type Fields } from './read.ts'
import type { Placeholders } from './value.ts'

const levels = ['informational', 'low', 'medium', 'high', 'critical']
const dedupFields = new Set(['principal', 'server', 'target', 'lane', 'client', 'group'])
const behaviours = [
  'rate',
  'errors',
  'volume',
  'fanout',
  'first_seen',
  'definition_changed',
  'new_client',
  'new_principal',
  'new_argument',
  'new_destination',
  'name_lookalike',
  'name_shadowed',
  'handle_shared',
  'data_flow',
  'trifecta',
  'targets',
  'tool_errors',
  'tool_latency',
  'tool_bytes',
  'server_silence',
  'lane_clock',
  'lane_silent',
  'lane_gap',
  'lane_hole',
  'put_aside',
] as const

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
  /** In lower case: one of these occurs in every event that matches; absent where nothing is known. */
  readonly needs: readonly string[] | undefined
  /** Fields named anywhere in the detection. */
  readonly fields: ReadonlySet<string>
  /** The behaviour rule that raises this; absent = the rule fires on single events. */
  readonly behaviour: Behaviour | undefined
  /** What it makes of the events that other rules match; absent = it is no correlation. */
  readonly correlation: Correlation | undefined
  /** Names by which correlations and filters refer to it. */
  readonly names: readonly string[]
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

function examplesOf(value: unknown, what: string): readonly Example[] {
  if (!Array.isArray(value) || value.length === 0) return refuse(`${what} is missing or empty`)
  return value.map(entry => fieldsOf(entry, what))
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

type Block = Pick<
  Rule,
  'behaviour' | 'settings' | 'dedupKeys' | 'dedupPeriodMs' | 'score' | 'response' | 'mustFire' | 'mustNotFire'
>

function dedupOf(block: Fields, isCorrelation: boolean): Pick<Rule, 'dedupKeys' | 'dedupPeriodMs'> {
  const keys = isCorrelation ? ['group'] : ['principal', 'server']
  const dedup = fieldsOf(block['dedup'] ?? { keys, period: '1h' }, 'dedup')
  refuseUnknown(dedup, ['keys', 'period'], 'dedup')
  const dedupKeys = textsOf(dedup['keys'], 'dedup.keys')
  const wrong = dedupKeys.find(key => !dedupFields.has(key))
  if (wrong !== undefined) refuse(`dedup.keys has the unknown field ${wrong}`)
  return { dedupKeys, dedupPeriodMs: durationMs(textOf(dedup['period'], 'dedup.period')) }
}

function readBlock(block: Fields, isCorrelation: boolean): Block {
  refuseUnknown(
    block,
    ['dedup', 'score', 'behaviour', 'settings', 'response', 'tests', 'placeholders'],
    'muniment',
  )
  const behaviour = behaviours.find(known => known === block['behaviour'])
  if (block['behaviour'] !== undefined && behaviour === undefined)
    refuse('muniment.behaviour names no known behaviour')
  const tests = block['tests'] === undefined ? undefined : fieldsOf(block['tests'], 'tests')
  return {
    behaviour,
    settings: settingsOf(block['settings']),
    ...dedupOf(block, isCorrelation),
    score: typeof block['score'] === 'number' ? block['score'] : undefined,
    response: readResponse(block['response']),
    mustFire: tests === undefined ? [] : examplesOf(tests['must_fire'], 'tests.must_fire'),
    mustNotFire: tests === undefined ? [] : examplesOf(tests['must_not_fire'], 'tests.must_not_fire'),
  }
}

function placeholdersOf(block: Fields): Placeholders {
  const entries = Object.entries(fieldsOf(block['placeholders'] ?? {}, 'placeholders'))
  return Object.fromEntries(entries.map(([name, values]) => [name, textsOf(values, name)]))
}

/** Correlations look at no event of their own. */
const never: Pick<Rule, 'matches' | 'needs' | 'fields'> = {
  matches: () => false,
  needs: undefined,
  fields: new Set(),
}

function matching(raw: Fields, block: Fields): Pick<Rule, 'matches' | 'needs' | 'fields' | 'correlation'> {
  if (raw['correlation'] !== undefined) {
    const correlation = compileCorrelation(fieldsOf(raw['correlation'], 'correlation'), raw['generate'])
    return { ...never, correlation }
  }
  const { clause, fields } = compileDetection(fieldsOf(raw['detection'], 'detection'), placeholdersOf(block))
  return { matches: clause.test, needs: clause.needs, fields, correlation: undefined }
}

function severityOf(raw: Fields): number {
  const level = levels.indexOf(textOf(raw['level'] ?? 'medium', 'level'))
  return level < 0 ? refuse("level is none of Sigma's") : level + 1
}

/** Compiles one document of Sigma 2.1, a rule or a correlation, with or without the `muniment` block; throws `CONFIG_INVALID` naming the rule and what is wrong. */
export function compileDocument(name: string, raw: Fields, source: string): Rule {
  const block = fieldsOf(raw['muniment'] ?? {}, 'muniment')
  const id = textOf(raw['id'] ?? (raw['correlation'] === undefined ? raw['id'] : name), 'id')
  const given = raw['name'] === undefined ? [] : [textOf(raw['name'], 'name')]
  return {
    id,
    name,
    names: [name, id, ...given],
    title: textOf(raw['title'], 'title'),
    description: typeof raw['description'] === 'string' ? raw['description'].trim() : '',
    tags: textsOf(raw['tags'], 'tags'),
    severity: severityOf(raw),
    version: createHash('sha256').update(source).digest('hex').slice(0, 12),
    ...matching(raw, block),
    ...readBlock(block, raw['correlation'] !== undefined),
  }
}

/** Runs `compile`, so that what it refuses is told with the name of the file. */
export function named<T>(name: string, compile: () => T): T {
  try {
    return compile()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new AppError('CONFIG_INVALID', `rule ${name}: ${why}`, { cause: error })
  }
}
