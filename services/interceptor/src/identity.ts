import { visitInScope } from './http/scope.ts'
import { isMembers, member, textMember } from './json.ts'
import { clip } from './message.ts'
import type { Context, Principal } from './record.ts'

const maxScopes = 256

function scopesOf(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.filter(one => typeof one === 'string').slice(0, maxScopes)
}

/**
 * Who called, from what the server's own authentication verified (`authInfo`); the token itself is not kept.
 * The subject is where verifiers put it: `extra.sub`; else the client speaks for itself.
 */
export function principalOf(authInfo: unknown): Principal | undefined {
  const clientId = textMember(authInfo, 'clientId')
  const extra = member(authInfo, 'extra')
  const id = textMember(extra, 'sub') ?? clientId
  if (id === undefined) return undefined
  const issuer = textMember(extra, 'iss')
  const scopes = scopesOf(member(authInfo, 'scopes'))
  return {
    id: clip(id),
    method: 'oauth',
    ...(clientId === undefined ? {} : { client_id: clip(clientId) }),
    ...(issuer === undefined ? {} : { issuer: clip(issuer) }),
    ...(scopes === undefined ? {} : { scopes: scopes.map(clip) }),
  }
}

/** Header fields of the HTTP request that brought a message: a record in the first line of the SDK, a web request in the second. */
export function headerOf(extra: unknown): ((name: string) => string | undefined) | undefined {
  const record = member(member(extra, 'requestInfo'), 'headers')
  const headers = record ?? member(member(extra, 'request'), 'headers')
  if (headers instanceof Headers) return name => headers.get(name) ?? undefined
  if (!isMembers(headers)) return undefined
  return name => {
    const value = headers[name]
    return Array.isArray(value) ? value.join(', ') : textMember(headers, name)
  }
}

/** The names of those fields, in lower case. */
export function headerNamesOf(extra: unknown): (() => readonly string[]) | undefined {
  const record = member(member(extra, 'requestInfo'), 'headers')
  const headers = record ?? member(member(extra, 'request'), 'headers')
  if (headers instanceof Headers) return () => [...headers.keys()]
  return isMembers(headers) ? () => Object.keys(headers) : undefined
}

/** What the SDK hands over beside a message (`MessageExtraInfo`, both lines), reduced to what is recorded. */
export function contextOf(extra: unknown, transport: object): Context | undefined {
  const sessionId = textMember(transport, 'sessionId') ?? textMember(extra, 'sessionId')
  const { principal: atDoor, notes } = visitInScope() ?? {}
  if (!isMembers(extra) && notes === undefined) return sessionId === undefined ? undefined : { sessionId }
  const authInfo = member(extra, 'authInfo')
  const principal = atDoor ?? (authInfo === undefined ? undefined : principalOf(authInfo))
  const protocolVersion = textMember(member(extra, 'classification'), 'revision')
  const context = { principal, sessionId, protocolVersion, notes }
  return Object.values(context).every(value => value === undefined) ? undefined : context
}
