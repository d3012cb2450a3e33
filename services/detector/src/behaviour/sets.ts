import type { Signal } from '@muniment/schema'
import type { Behaviour, Rule } from '../sigma/rule.ts'
import { bound, type KnownSet, type PartitionState } from './state.ts'

const mostSets = 100_000
const longestKey = 512
const day = 86_400_000
/** More news than this at once is growth: a newcomer must not hide the next one, nor a move of offices be told in full. */
const mostNews = 3

/** What kinds of set there are, which rule tells of what is new in them, and how many members are remembered. */
const kinds = {
  client: { behaviour: 'new_client', most: 64, shown: 'client' },
  principal: { behaviour: 'new_principal', most: 1_024, shown: 'principal' },
  argument: { behaviour: 'new_argument', most: 64, shown: 'argument' },
  destination: { behaviour: 'new_destination', most: 32, shown: 'destination' },
} as const satisfies Readonly<
  Record<string, { readonly behaviour: Behaviour; readonly most: number; readonly shown: string }>
>

type Kind = (typeof kinds)[keyof typeof kinds]

/** What was new in a set. */
export interface SetNews {
  readonly rule: Rule
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}

/** The set of that name, empty where it begins now. */
export function setOf(state: PartitionState, key: string, timeMs: number): KnownSet {
  const known = state.sets.get(key) ?? {
    sinceMs: timeMs,
    grownMs: timeMs,
    news: 0,
    isOpen: false,
    members: [],
  }
  state.sets.delete(key)
  state.sets.set(key, known)
  bound(state, 'sets', mostSets)
  return known
}

/** Whether a set has been watched for long enough, and has not grown for a while: only then is something new worth a word. */
function isLearnt(
  set: KnownSet,
  { settings: { learning = day, settled = day } }: Rule,
  timeMs: number,
): boolean {
  return timeMs - set.sinceMs >= learning && timeMs - set.grownMs >= settled
}

/** Adds a member; `true` where it is new in a set that is learnt. */
export function grow(
  set: KnownSet,
  member: string,
  on: { rule: Rule; most: number; timeMs: number },
): boolean {
  if (set.isOpen || set.members.includes(member)) return false
  const isNews = isLearnt(set, on.rule, on.timeMs)
  set.news = isNews ? set.news + 1 : 0
  if (!isNews || set.news > mostNews) set.grownMs = on.timeMs
  if (set.members.length >= on.most) {
    set.isOpen = true
    set.members.length = 0
    return false
  }
  set.members.push(member)
  return isNews
}

function newsOf(
  signal: Signal,
  kind: Kind,
  on: { rule: Rule; set: KnownSet; trait: readonly string[] },
): SetNews {
  const [name = '', member = '', path = ''] = on.trait
  const of = name.slice(name.indexOf(' ') + 1)
  const where = name.includes(' ') ? `tool ${of} on ${signal.server ?? ''}` : (signal.server ?? '')
  const days = Math.floor((Date.parse(signal.time) - on.set.sinceMs) / day)
  const who = kind.behaviour === 'new_destination' ? '' : ` ${member}`
  const count = on.set.members.length - 1
  return {
    rule: on.rule,
    sentence: `${where}: ${kind.shown}${who} was never seen before (${count} known, ${days} days watched)`,
    evidence: { path, member, known: count, watched_days: days },
  }
}

function isKind(name: string): name is keyof typeof kinds {
  return Object.hasOwn(kinds, name)
}

/** Keeps who calls a server by which clients, with which arguments, and where its tools lead; tells of what is new once that is learnt. */
export function observeSets(
  state: PartitionState,
  rules: ReadonlyMap<Behaviour, Rule>,
  signal: Signal,
): readonly SetNews[] {
  const timeMs = Date.parse(signal.time)
  return (signal.traits ?? []).flatMap(trait => {
    const [name, member] = trait
    const [kindName = ''] = name.split(' ', 1)
    if (!isKind(kindName)) return []
    const kind = kinds[kindName]
    const rule = rules.get(kind.behaviour)
    if (rule === undefined) return []
    const key = [signal.tenant, signal.server ?? '', name].join('\u{0}').slice(0, longestKey)
    const set = setOf(state, key, timeMs)
    const isNews = grow(set, member, { rule, most: kind.most, timeMs })
    return isNews ? [newsOf(signal, kind, { rule, set, trait })] : []
  })
}
