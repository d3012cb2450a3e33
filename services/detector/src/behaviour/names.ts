import type { Signal } from '@muniment/schema'
import type { Behaviour, Rule } from '../sigma/rule.ts'
import { likeness } from './likeness.ts'
import { bound, type NameState, type PartitionState } from './state.ts'

const mostNames = 20_000
const longestName = 128
const longestKey = 512
const day = 86_400_000

/** A tool that is called like one of another server. */
export interface NameNews {
  readonly rule: Rule
  readonly tool: string
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}

interface Sight {
  readonly rules: ReadonlyMap<Behaviour, Rule>
  readonly name: NameState
}

function newsOf({ rules, name }: Sight, other: NameState): NameNews | undefined {
  const { server, tool, sinceMs } = name
  const how = likeness(tool, other.tool)
  if (how === undefined) return undefined
  const rule = rules.get(how === 'same' ? 'name_shadowed' : 'name_lookalike')
  if (rule === undefined) return undefined
  // Servers that were there together from the start shadow nobody.
  if (how === 'same' && sinceMs - other.sinceMs < (rule.settings['learning'] ?? day)) return undefined
  const verb = how === 'same' ? 'is called like' : 'looks like'
  return {
    rule,
    tool,
    sentence: `${server}: tool ${tool} ${verb} ${other.tool} of ${other.server}`,
    evidence: { tool, like: other.tool, of_server: other.server, how },
  }
}

/** The strongest likeness of a new name to one of another server. */
function compare(state: PartitionState, sight: Sight): readonly NameNews[] {
  const { name } = sight
  let found: NameNews | undefined
  for (const other of state.names.values()) {
    if (other.tenant !== name.tenant || other.server === name.server) continue
    const news = newsOf(sight, other)
    if (news === undefined) continue
    if (found === undefined || news.rule.severity > found.rule.severity) found = news
  }
  return found === undefined ? [] : [found]
}

/** Keeps the names of all tools of a tenant; tells of one that is, or looks, like that of another server. */
export function observeNames(
  state: PartitionState,
  rules: ReadonlyMap<Behaviour, Rule>,
  signal: Signal,
): readonly NameNews[] {
  const sinceMs = Date.parse(signal.time)
  const server = (signal.server ?? '').slice(0, longestName)
  return Object.keys(signal.definitions ?? {}).flatMap(each => {
    const name = { tenant: signal.tenant, server, tool: each.slice(0, longestName), sinceMs }
    const key = [name.tenant, server, name.tool].join('\u{0}').slice(0, longestKey)
    if (state.names.has(key)) return []
    const news = compare(state, { rules, name })
    state.names.set(key, name)
    bound(state, 'names', mostNames)
    return news
  })
}
