import { createHash } from 'node:crypto'
import type { Signal } from '@muniment/schema'
import { groupsOf } from './behaviour/correlate.ts'
import { groupAspect } from './behaviour/fold.ts'
import type { RulePack } from './sigma/pack.ts'
import type { Traits } from './traits.ts'

const longestName = 256

/** A signal for another place where something is looked at: a server as a whole, the names of all tools, a handle, a group. */
export interface Copy {
  /** Key of the record, without the tenant. */
  readonly key: string
  readonly signal: Signal
  /** What it tells; where all of that was told before, it is not needed. Absent = always needed. */
  readonly tells?: readonly string[]
}

/** What a list of tools tells, short enough to be remembered whatever names somebody makes up. */
function digestOf(definitions: unknown): string {
  return createHash('sha256').update(JSON.stringify(definitions)).digest('base64')
}

function serverCopies(signal: Signal, { members }: Traits): readonly Copy[] {
  const { server, method, definitions, target = '' } = signal
  if (server === undefined || method === undefined || !method.startsWith('tools/')) return []
  const name = definitions === undefined ? target.slice(0, longestName) : digestOf(definitions)
  const about = { ...signal, hits: [], flow: undefined, lane: `${signal.lane}#server`, traits: [...members] }
  const own = server.slice(0, longestName)
  const tells = [`${own}\u{0}${name}`, ...members.map(([set, member]) => `${own}\u{0}${set}\u{0}${member}`)]
  const copy = { key: `server:${server}`, signal: about, tells }
  if (definitions === undefined) return [copy]
  const named = { ...signal, hits: [], flow: undefined, lane: `${signal.lane}#names` }
  return [copy, { key: 'names', signal: named, tells: [`names\u{0}${own}\u{0}${name}`] }]
}

function handleCopies(signal: Signal, { handles }: Traits): readonly Copy[] {
  return handles.map((handle, index) => ({
    key: `handle:${handle}`,
    signal: { ...signal, hits: [], flow: undefined, lane: `${signal.lane}#handle${index}`, handle },
    tells: [`handle\u{0}${handle}\u{0}${signal.principal.slice(0, longestName)}`],
  }))
}

/** Correlations whose groups reach beyond one principal see their events where the group's own key leads. */
function groupCopies(pack: RulePack, signal: Signal): readonly Copy[] {
  if (signal.hits.length === 0 || pack.links.length === 0) return []
  return Array.from(groupsOf(pack, signal), ({ root, key, hits }) => ({
    key,
    signal: { ...signal, hits: [...hits], flow: undefined, lane: `${signal.lane}${groupAspect(root)}` },
  }))
}

/** The copies of a signal, each for what is looked at elsewhere than with its principal. */
export function copiesOf(pack: RulePack, signal: Signal, traits: Traits): readonly Copy[] {
  return [...serverCopies(signal, traits), ...handleCopies(signal, traits), ...groupCopies(pack, signal)]
}

/** Names under which it is remembered that a copy was passed on. */
export function toldBy({ signal: { tenant }, tells = [] }: Copy): readonly string[] {
  return tells.map(each => `${tenant}\u{0}${each}`)
}
