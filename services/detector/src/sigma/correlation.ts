import { compileCondition } from './condition.ts'
import type { Clause } from './facts.ts'
import { durationMs, fieldsOf, refuse, refuseUnknown, textOf, textsOf, type Fields } from './read.ts'

const types = [
  'event_count',
  'value_count',
  'temporal',
  'temporal_ordered',
  'value_sum',
  'value_avg',
  'value_percentile',
  'value_median',
] as const

/** What of the matching events is looked at. */
type CorrelationType = (typeof types)[number]

/** A rule over the events that other rules match (Sigma correlation rules specification 2.1). */
export interface Correlation {
  readonly type: CorrelationType
  /** Names or ids of the rules, in their order. */
  readonly rules: readonly string[]
  readonly groupBy: readonly string[]
  readonly timespanMs: number
  /** Field whose values are counted or summed. */
  readonly field: string | undefined
  /** For `value_percentile`: 0 … 100. */
  readonly percentile: number
  readonly isMet: (value: number) => boolean
  /** For `temporal`: over the names of the rules that were seen; absent where all must be. */
  readonly seen: Clause | undefined
  /** The condition as people read it: `>= 10`. */
  readonly shown: string
  /** Name in this rule → name of rule → field there. */
  readonly aliases: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Whether the rules it names raise alerts of their own as well. */
  readonly generates: boolean
}

const operators: Readonly<
  Record<string, readonly [sign: string, test: (value: number, limit: number) => boolean]>
> = {
  gt: ['>', (value, limit) => value > limit],
  gte: ['>=', (value, limit) => value >= limit],
  lt: ['<', (value, limit) => value < limit],
  lte: ['<=', (value, limit) => value <= limit],
  eq: ['=', (value, limit) => value === limit],
  neq: ['!=', (value, limit) => value !== limit],
}

interface Bounds {
  readonly isMet: Correlation['isMet']
  readonly shown: string
}

/** Events that one group keeps at most. */
export const mostCounted = 4_096

function boundsOf(condition: Fields, isCount: boolean): Bounds {
  const tests = Object.entries(condition).flatMap(([name, limit]) => {
    const operator = operators[name]
    if (operator === undefined) return []
    if (typeof limit !== 'number') return refuse(`correlation.condition.${name} is not a number`)
    if (isCount && limit > mostCounted)
      return refuse(`correlation.condition.${name} is beyond ${mostCounted}`)
    const [sign, test] = operator
    return [{ shown: `${sign} ${limit}`, test: (value: number) => test(value, limit) }]
  })
  if (tests.length === 0) refuse('correlation.condition compares with nothing')
  return {
    isMet: value => tests.every(({ test }) => test(value)),
    shown: tests.map(({ shown }) => shown).join(' and '),
  }
}

function conditionOf(
  block: Fields,
  type: CorrelationType,
  rules: readonly string[],
): Bounds & Pick<Correlation, 'seen' | 'field' | 'percentile'> {
  const given = block['condition']
  if (typeof given === 'string') {
    const names = new Map(rules.map(name => [name, { test: facts => facts(name) === true } satisfies Clause]))
    return {
      isMet: () => true,
      shown: given,
      seen: compileCondition(given, names),
      field: undefined,
      percentile: 50,
    }
  }
  if (given === undefined && type.startsWith('temporal'))
    return { isMet: () => true, shown: 'all of them', seen: undefined, field: undefined, percentile: 50 }
  const condition = fieldsOf(given, 'correlation.condition')
  refuseUnknown(condition, [...Object.keys(operators), 'field', 'percentile'], 'correlation.condition')
  const field =
    condition['field'] === undefined ? undefined : textOf(condition['field'], 'correlation.condition.field')
  if (type.startsWith('value_') && field === undefined) refuse(`${type} needs correlation.condition.field`)
  const percentile = typeof condition['percentile'] === 'number' ? condition['percentile'] : 50
  return { ...boundsOf(condition, type.endsWith('_count')), seen: undefined, field, percentile }
}

function aliasesOf(value: unknown): Correlation['aliases'] {
  const entries = Object.entries(fieldsOf(value ?? {}, 'correlation.aliases'))
  return Object.fromEntries(
    entries.map(([alias, fields]) => [
      alias,
      Object.fromEntries(
        Object.entries(fieldsOf(fields, alias)).map(([rule, field]) => [
          rule,
          textOf(field, `${alias}.${rule}`),
        ]),
      ),
    ]),
  )
}

const known = ['type', 'rules', 'group-by', 'timespan', 'timeframe', 'condition', 'aliases', 'generate']

/** Reads the `correlation` block of a rule. */
export function compileCorrelation(block: Fields, generate: unknown): Correlation {
  refuseUnknown(block, known, 'correlation')
  const type =
    types.find(each => each === block['type']) ?? refuse(`correlation.type is none of ${types.join(', ')}`)
  const rules =
    typeof block['rules'] === 'string' ? [block['rules']] : textsOf(block['rules'], 'correlation.rules')
  if (rules.length === 0) refuse('correlation.rules is empty')
  const groups = block['group-by']
  return {
    type,
    rules,
    groupBy: typeof groups === 'string' ? [groups] : textsOf(groups, 'correlation.group-by'),
    timespanMs: durationMs(textOf(block['timespan'] ?? block['timeframe'], 'correlation.timespan')),
    ...conditionOf(block, type, rules),
    aliases: aliasesOf(block['aliases']),
    generates: block['generate'] === true || generate === true,
  }
}
