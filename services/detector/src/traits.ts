import { createHash, type KeyObject } from 'node:crypto'
import type { MunimentEvent } from '@muniment/schema'
import type { Document } from './content/document.ts'
import { principalOf } from './event-facts.ts'
import { keyedHash } from './keyed.ts'

/** One member of a known set: which set, the name under which it is known, and where it stands. */
type Member = [set: string, member: string, path: string]

/** What of an event belongs to sets that are learnt, and what may not belong to two principals. */
export interface Traits {
  readonly members: readonly Member[]
  /** Keyed hashes of sessions, tasks, state handles and tokens. */
  readonly handles: readonly string[]
}

const mostNames = 32
const mostHosts = 8
const mostHandles = 4
const longest = 128
const hostShape =
  /^\s{0,8}[a-z][a-z0-9+.-]{1,15}:\/\/(?:[^\s/?#@]{0,256}@)?(\[[0-9a-f:.]{2,45}\]|[^\s/?#:@\\]{1,253})/iu
/** Arguments that carry what belongs to one caller; cursors do not, since equal requests get equal ones. */
const handleName =
  /(?:^|[_.-])(?:session|handle|token|continuation|checkpoint|access_?key|api_?key|state)(?:_?(?:id|token|handle|key))?$/u
/** Opaque: long, without spaces, letters and digits both. */
const handleShape = /^(?=[^\d]*\d)(?=[^a-z]*[a-z])[\w.~+/=:|-]{16,2048}$/iu

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldsIn(value: unknown, name: string): Readonly<Record<string, unknown>> {
  const found = isFields(value) ? value[name] : undefined
  return isFields(found) ? found : {}
}

/** A name that servers or people made up may be anything; only what reads like an identifier is shown as it is. */
function nameOf(text: string): string {
  if (/^[\w.$-]{1,64}$/u.test(text)) return text
  return `#${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}

function hostsIn(documents: readonly Document[]): ReadonlyMap<string, string> {
  const hosts = new Map<string, string>()
  for (const { source, text, path } of documents) {
    if (source !== 'argument' || !text.includes('://')) continue
    const host = hostShape.exec(text)?.[1]?.toLowerCase().replace(/\.$/u, '')
    if (host !== undefined && !hosts.has(host)) hosts.set(host, path)
    if (hosts.size >= mostHosts) break
  }
  return hosts
}

function argumentMembers(event: MunimentEvent, params: Readonly<Record<string, unknown>>): readonly Member[] {
  const tool = nameOf(event.target ?? '')
  const names = Object.keys(fieldsIn(params, 'arguments')).slice(0, mostNames)
  return names.map(name => [
    `argument ${tool}`,
    nameOf(name),
    `request.body.params.arguments.${nameOf(name)}`,
  ])
}

function handlesOf(event: MunimentEvent, params: Readonly<Record<string, unknown>>): readonly string[] {
  const own = [event.session_id, event.task_id, params['requestState']]
  const given = Object.entries(fieldsIn(params, 'arguments'))
    .filter(([name]) => handleName.test(name.replaceAll(/([a-z])([A-Z])/gu, '$1_$2').toLowerCase()))
    .map(([, value]) => value)
    .filter(value => typeof value === 'string' && handleShape.test(value))
  return [...own, ...given].filter(value => typeof value === 'string').slice(0, mostHandles)
}

/** The traits of an event; values of arguments leave only as hashes under the tenant's key. */
export function traitsOf(event: MunimentEvent, documents: readonly Document[], key: KeyObject): Traits {
  const body = event.request?.body
  const params = fieldsIn(body, 'params')
  const isCall = event.method === 'tools/call'
  const members: Member[] = [['principal', principalOf(event).slice(0, longest), 'principal.id']]
  if (event.client !== undefined) members.push(['client', event.client.name.slice(0, longest), 'client.name'])
  if (isCall) members.push(...argumentMembers(event, params))
  const hosts = isCall ? hostsIn(documents) : new Map<string, string>()
  const handles = handlesOf(event, params)
  const tool = nameOf(event.target ?? '')
  for (const [host, path] of hosts) members.push([`destination ${tool}`, keyedHash(key, host, 24), path])
  return { members, handles: [...new Set(handles.map(each => keyedHash(key, each, 24)))] }
}
