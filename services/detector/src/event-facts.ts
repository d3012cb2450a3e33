import { AppError, type MunimentEvent } from '@muniment/schema'
import type { Document, Source } from './content/document.ts'
import type { PlacedFinding } from './content/index.ts'
import { everyText, type Facts, type Scalar } from './sigma/facts.ts'

/** Characters that the rules may compare in one event; far beyond what any ordinary one takes. */
const mostCompared = 16_000_000
const longestText = 16_384
const mostValues = 512

/** Who called: the verified principal, else the client's own label marked as such. */
export function principalOf(event: Pick<MunimentEvent, 'principal' | 'client'>): string {
  if (event.principal !== undefined) return event.principal.id
  return event.client === undefined ? 'anonymous' : `label:${event.client.name}`
}

type Plain = Readonly<Record<string, string | number | undefined>>

function partyFields({ client, server, principal }: MunimentEvent): Plain {
  return {
    'principal.method': principal?.method,
    client: client?.name,
    'client.name': client?.name,
    'client.version': client?.version,
    server: server?.id ?? server?.name,
    'server.name': server?.name,
    'server.id': server?.id,
  }
}

/** The fields of an event that have one value, by the names that rules use. */
function plainFields(event: MunimentEvent): Plain {
  return {
    kind: event.kind,
    outcome: event.outcome,
    method: event.method,
    target: event.target,
    tool: event.method === 'tools/call' ? event.target : undefined,
    tenant: event.tenant,
    time: event.time,
    transport: event.transport,
    direction: event.direction,
    principal: principalOf(event),
    ...partyFields(event),
    'error.type': event.error?.type,
    'error.code': event.error?.code,
    duration_ms: event.duration_ms,
    'request.size_bytes': event.request?.size_bytes,
    'response.size_bytes': event.response?.size_bytes,
  }
}

const sources: Readonly<Record<string, Source>> = {
  argument: 'argument',
  result: 'result',
  description: 'description',
  prompt: 'prompt',
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function within(value: unknown, key: string): readonly unknown[] {
  if (Array.isArray(value)) return value.slice(0, mostValues).flatMap(entry => within(entry, key))
  return isObject(value) && Object.hasOwn(value, key) ? [value[key]] : []
}

function scalarsOf(value: unknown): readonly Scalar[] {
  if (Array.isArray(value)) return value.slice(0, mostValues).flatMap(scalarsOf)
  if (typeof value === 'string') return [value.slice(0, longestText)]
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? [value] : []
}

/** The values at a dotted path, lists taken apart. */
function valuesAt(root: unknown, path: string): readonly Scalar[] | undefined {
  const found = path
    .split('.')
    .reduce<readonly unknown[]>(
      (values, key) => values.flatMap(value => within(value, key)).slice(0, mostValues),
      [root],
    )
  const scalars = found.flatMap(scalarsOf)
  return scalars.length === 0 ? undefined : scalars
}

function budget(): (chars: number) => void {
  let left = mostCompared
  return chars => {
    left -= chars
    if (left < 0)
      throw new AppError(
        'LIMIT_EXCEEDED',
        `the rules compared more than ${mostCompared} characters in one event`,
      )
  }
}

/** What rules look at beside fields with one value. */
export interface Content {
  readonly documents: readonly Document[]
  readonly findings: ReadonlyMap<string, PlacedFinding>
  /** The arguments of a call, as they came. */
  readonly args: unknown
  /** The structured part of a result, as it came. */
  readonly structured: unknown
}

/** Whether a field lies in the content of an event, where its value may be any of many texts. */
export function isOfContent(field: string): boolean {
  return (
    field === everyText || sources[field] !== undefined || /^(?:arguments|structured|content)\./u.test(field)
  )
}

function textsOf(documents: readonly Document[], source?: Source): readonly string[] | undefined {
  const texts = documents
    .filter(each => source === undefined || each.source === source)
    .map(({ text }) => text)
  return texts.length === 0 ? undefined : texts
}

/** Facts from fields with one value and from content. */
export function factsFrom(plain: Readonly<Record<string, Scalar | undefined>>, content: Content): Facts {
  const look = (field: string): Scalar | readonly Scalar[] | undefined => {
    if (Object.hasOwn(plain, field)) return plain[field]
    if (field.startsWith('content.')) return content.findings.get(field.slice(8))?.score
    if (field.startsWith('arguments.')) return valuesAt(content.args, field.slice(10))
    if (field.startsWith('structured.')) return valuesAt(content.structured, field.slice(11))
    const source = sources[field]
    if (source !== undefined) return textsOf(content.documents, source)
    return field === everyText ? textsOf(content.documents) : undefined
  }
  return Object.assign(look, { spend: budget() })
}

/** What lies at a path of names, where all of it is there. */
export function partOf(body: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), body)
}

/** The facts of an event. */
export function eventFacts(
  event: MunimentEvent,
  documents: readonly Document[],
  findings: ReadonlyMap<string, PlacedFinding>,
): Facts {
  const args = partOf(event.request?.body, 'params', 'arguments')
  const structured = partOf(event.response?.body, 'result', 'structuredContent')
  return factsFrom(plainFields(event), { documents, findings, args, structured })
}
