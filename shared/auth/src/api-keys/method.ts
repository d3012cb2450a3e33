import { bearerToken } from '../bearer.ts'
import { outdated, rejected, type AuthRequest, type Finding, type Method } from '../method.ts'
import { isApiKey, isSecretOf, parseApiKey, type ApiKeyRecord } from './key.ts'
import { parseRecords } from './records.ts'
import type { ApiKeyShelves } from './shelves.ts'
import { createUseKeeper, type UseKeeper } from './uses.ts'

/** How API keys are taken. */
export interface ApiKeyMethodOptions extends ApiKeyShelves {
  readonly now: () => number
  /** Keys of other tenants are as good as unknown; absent = any. */
  readonly tenant?: string | undefined
  /** What a key must have, each of them. */
  readonly scopes?: readonly string[] | undefined
  /** How long a key that was revoked elsewhere may still be taken (default 5 s). */
  readonly refreshMs?: number | undefined
  /** How long keys are taken from memory while their shelf cannot be read (default 5 min). */
  readonly staleMs?: number | undefined
}

interface Held {
  readonly byId: ReadonlyMap<string, ApiKeyRecord>
  readonly readMs: number
}

interface State {
  readonly options: ApiKeyMethodOptions
  readonly uses: UseKeeper
  held: Held | undefined
  reading: Promise<void> | undefined
  triedMs: number
}

const unavailable = { kind: 'unavailable', reason: 'api_keys_unreadable' } as const

const ownField = 'x-api-key'

function tokenOf(request: AuthRequest): string | undefined {
  const own = request.header(ownField)
  if (own !== undefined) return own
  const token = bearerToken(request)
  return token !== undefined && isApiKey(token) ? token : undefined
}

function spends(request: AuthRequest): readonly string[] {
  if (tokenOf(request) === undefined) return []
  return [request.header(ownField) === undefined ? 'authorization' : ownField]
}

/** Why a key whose secret is right is not taken. */
function objection(record: ApiKeyRecord, { now, tenant }: ApiKeyMethodOptions): string | undefined {
  if (record.revoked_ms !== undefined) return 'api_key_revoked'
  if (record.expires_ms !== undefined && record.expires_ms <= now()) return 'api_key_expired'
  return tenant !== undefined && record.tenant !== tenant ? 'api_key_of_other_tenant' : undefined
}

function judge({ options, uses }: State, { byId }: Held, token: string): Finding {
  const parts = parseApiKey(token)
  if (parts === undefined) return rejected('api_key_malformed')
  const record = byId.get(parts.id)
  if (!isSecretOf(record, parts) || record === undefined) return rejected('api_key_unknown')
  const why = objection(record, options)
  if (why !== undefined) return outdated(why)
  const principal = { id: record.name, client_id: record.id, scopes: record.scopes, method: 'api_key' }
  const needed = options.scopes ?? []
  if (!needed.every(scope => record.scopes.includes(scope)))
    return { kind: 'insufficient', principal, scopes: needed }
  uses.used(record.id)
  return {
    kind: 'accepted',
    principal,
    tenant: record.tenant,
    ...(record.expires_ms !== undefined && { expiresAtMs: record.expires_ms }),
  }
}

async function read(state: State): Promise<void> {
  const { keys, now } = state.options
  state.triedMs = now()
  const records = parseRecords((await keys.read())?.text)
  state.held = { byId: new Map(records.map(record => [record.id, record])), readMs: now() }
}

function refresh(state: State): Promise<void> {
  // Who still can be served from memory is; who cannot is told.
  state.reading ??= read(state)
    .catch(() => undefined)
    .finally(() => {
      state.reading = undefined
    })
  return state.reading
}

function freshEnough({ held, options: { now, staleMs = 300_000 } }: State): Held | undefined {
  return held !== undefined && now() - held.readMs <= staleMs ? held : undefined
}

function check(state: State, request: AuthRequest): Finding | Promise<Finding> {
  const token = tokenOf(request)
  if (token === undefined) return undefined
  const { now, refreshMs = 5000 } = state.options
  const answer = (): Finding => {
    const held = freshEnough(state)
    return held === undefined ? unavailable : judge(state, held, token)
  }
  const isFresh = state.held !== undefined && now() - state.held.readMs < refreshMs
  // A shelf that cannot be read is asked again no sooner, however many calls come.
  if (isFresh || (state.reading === undefined && now() - state.triedMs < refreshMs)) return answer()
  return refresh(state).then(answer)
}

/** Takes API keys: `Authorization: Bearer mun_…` or `X-API-Key: mun_…`. */
export function apiKeys(options: ApiKeyMethodOptions): Method & { readonly flush: () => Promise<void> } {
  const uses = createUseKeeper({
    shelf: options.uses,
    now: options.now,
    isKey: id => state.held?.byId.has(id) === true,
  })
  const state: State = {
    options,
    uses,
    held: undefined,
    reading: undefined,
    triedMs: Number.NEGATIVE_INFINITY,
  }
  return { name: 'api_key', check: request => check(state, request), spends, flush: uses.flush }
}
