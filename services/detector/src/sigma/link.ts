import { AppError } from '@muniment/schema'
import type { Correlation } from './correlation.ts'
import type { Rule } from './rule.ts'

/** Fields of a signal by which correlations may group, count and sum without more. */
const signalFields = [
  'tenant',
  'principal',
  'server',
  'server.id',
  'server.name',
  'client',
  'client.name',
  'target',
  'tool',
  'method',
  'kind',
  'outcome',
  'duration_ms',
  'request.size_bytes',
  'response.size_bytes',
] as const

const known = new Set<string>(signalFields)

/** A correlation with the rules it names, and where its events meet. */
export interface Link {
  readonly rule: Rule
  readonly correlation: Correlation
  /** The rules it names, in its order: those on events, and correlations linked before it. */
  readonly members: readonly Rule[]
  /** The correlation that is named by no other: events of all below it go where its groups are. */
  root: Rule
  /** Whether the groups lie within one principal, whose signals are together anyway. */
  isOfPrincipal: boolean
}

const deepest = 8

function memberOf(rules: readonly Rule[], name: string, of: Rule): Rule {
  const found = rules.find(rule => rule.names.includes(name))
  if (found === undefined)
    throw new AppError(
      'CONFIG_INVALID',
      `rule ${of.name}: correlation.rules names ${name}, which is no rule here`,
    )
  if (found.behaviour !== undefined)
    throw new AppError('CONFIG_INVALID', `rule ${of.name}: ${name} looks at many events itself`)
  return found
}

function refuseCircles(links: readonly Link[], link: Link, depth: number): void {
  if (depth > deepest)
    throw new AppError(
      'CONFIG_INVALID',
      `rule ${link.rule.name}: correlations name each other in a circle, or too deeply`,
    )
  for (const member of link.members) {
    const inner = links.find(({ rule }) => rule === member)
    if (inner === undefined) continue
    const missing = link.correlation.groupBy.find(field => !inner.correlation.groupBy.includes(field))
    if (missing !== undefined)
      throw new AppError(
        'CONFIG_INVALID',
        `rule ${link.rule.name}: ${member.name} does not group by ${missing} as well`,
      )
    refuseCircles(links, inner, depth + 1)
  }
}

function placeUnder(links: readonly Link[], link: Link, root: Link): void {
  link.root = root.rule
  link.isOfPrincipal = root.correlation.groupBy.includes('principal')
  for (const inner of links) if (link.members.includes(inner.rule)) placeUnder(links, inner, root)
}

/** Ties correlations to the rules they name; throws `CONFIG_INVALID` where one is missing or names itself in a circle. */
export function linkCorrelations(rules: readonly Rule[]): readonly Link[] {
  const links = rules.flatMap((rule): readonly Link[] => {
    const { correlation } = rule
    if (correlation === undefined) return []
    const members = correlation.rules.map(name => memberOf(rules, name, rule))
    return [{ rule, correlation, members, root: rule, isOfPrincipal: false }]
  })
  for (const link of links) refuseCircles(links, link, 0)
  const isNamed = (rule: Rule): boolean => links.some(({ members }) => members.includes(rule))
  for (const link of links) if (!isNamed(link.rule)) placeUnder(links, link, link)
  return links
}

/** What the correlation calls `field` in an event of `member`. */
export function fieldIn({ correlation }: Link, member: Rule, field: string): string {
  const byRule = correlation.aliases[field]
  if (byRule === undefined) return field
  return member.names.map(name => byRule[name]).find(found => found !== undefined) ?? field
}

/** Fields of events of `rule` that its correlations need and that no signal has by itself. */
export function carriedFields(links: readonly Link[], rule: Rule): readonly string[] {
  const above = links.filter(({ members }) => members.includes(rule))
  const fields = above.flatMap(link => {
    const { groupBy, field } = link.correlation
    return [...groupBy, ...(field === undefined ? [] : [field])].map(each => fieldIn(link, rule, each))
  })
  return [...new Set(fields)].filter(field => !known.has(field))
}
