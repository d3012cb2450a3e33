import { compileDetection } from './detection.ts'
import type { Facts } from './facts.ts'
import { fieldsOf, textsOf, type Fields } from './read.ts'
import type { Rule } from './rule.ts'

/** A Sigma filter: a condition that further narrows the rules it names, kept apart from them. */
export interface Filter {
  readonly name: string
  /** Names or ids; empty = every rule. */
  readonly rules: readonly string[]
  readonly test: (facts: Facts) => boolean
  readonly fields: ReadonlySet<string>
}

/** Reads a filter document (Sigma filters specification 2.1). */
export function compileFilter(name: string, raw: Fields): Filter {
  const { rules, ...detection } = fieldsOf(raw['filter'], 'filter')
  const { clause, fields } = compileDetection(detection, {})
  const isAny = rules === undefined || rules === 'any'
  return { name, rules: isAny ? [] : textsOf(rules, 'filter.rules'), test: clause.test, fields }
}

function applies(filter: Filter, rule: Rule): boolean {
  return filter.rules.length === 0 || filter.rules.some(name => rule.names.includes(name))
}

/** The rule, narrowed by the filters that apply to it. */
export function narrowed(rule: Rule, filters: readonly Filter[]): Rule {
  const own = filters.filter(filter => applies(filter, rule))
  if (own.length === 0 || rule.behaviour !== undefined || rule.correlation !== undefined) return rule
  return {
    ...rule,
    matches: facts => rule.matches(facts) && own.every(({ test }) => test(facts)),
    fields: own.reduce((fields, each) => fields.union(each.fields), rule.fields),
  }
}
