import { AppError } from '@muniment/schema'
import { updateShelf } from '../shelf.ts'
import { makeApiKey, type ApiKeyGrant, type ApiKeyRecord } from './key.ts'
import { formatRecords, parseRecords } from './records.ts'
import type { ApiKeyShelves } from './shelves.ts'
import { parseUses } from './uses.ts'

/** What is known of a key, and nothing that opens anything. */
export interface ApiKeyInfo {
  readonly id: string
  readonly name: string
  readonly tenant: string
  readonly scopes: readonly string[]
  readonly createdMs: number
  readonly expiresMs: number | undefined
  readonly revokedMs: number | undefined
  /** To the minute. */
  readonly lastUsedMs: number | undefined
  readonly state: 'live' | 'expired' | 'revoked'
}

/** Administration of API keys. */
export interface ApiKeyAdmin {
  /** The key is nowhere but in the answer. */
  readonly create: (grant: ApiKeyGrant) => Promise<{ readonly key: string; readonly info: ApiKeyInfo }>
  readonly list: () => Promise<readonly ApiKeyInfo[]>
  /** Rejects with `NOT_FOUND` where there is no such key; one that was revoked before stays so. */
  readonly revoke: (id: string) => Promise<ApiKeyInfo>
}

/** What administration needs. */
interface ApiKeyAdminOptions extends ApiKeyShelves {
  readonly now: () => number
  readonly randomBytes: (size: number) => Uint8Array
}

const nameForm = /^[^\p{C}\s]{1,200}$/u
// RFC 6749 §3.3.
const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/u
const tenantForm = /^[a-z0-9][a-z0-9_.-]{0,62}$/u
const keptMs = 90 * 86_400_000

function invalid(what: string, hint: string): AppError {
  return new AppError('INVALID_INPUT', `${what} cannot be used for an API key.`, { hint })
}

function check({ name, tenant, scopes, expires_ms: expiresMs }: ApiKeyGrant, nowMs: number): void {
  if (!nameForm.test(name)) throw invalid('This name', 'Give up to 200 visible characters without spaces.')
  if (!tenantForm.test(tenant)) throw invalid('This tenant', 'Use lower-case letters, digits, dots, dashes.')
  const bad = scopes.find(scope => !scopeForm.test(scope))
  if (bad !== undefined || scopes.length > 64)
    throw invalid('These scopes', 'Give at most 64, each without spaces, quotes and backslashes.')
  if (expiresMs !== undefined && !(expiresMs > nowMs))
    throw invalid('This expiry', 'It must lie in the future.')
}

function stateOf(
  { revoked_ms: revoked, expires_ms: expires }: ApiKeyRecord,
  nowMs: number,
): ApiKeyInfo['state'] {
  if (revoked !== undefined) return 'revoked'
  return expires !== undefined && expires <= nowMs ? 'expired' : 'live'
}

function infoOf(record: ApiKeyRecord, nowMs: number, lastUsedMs?: number): ApiKeyInfo {
  const { id, name, tenant, scopes } = record
  return {
    id,
    name,
    tenant,
    scopes,
    createdMs: record.created_ms,
    expiresMs: record.expires_ms,
    revokedMs: record.revoked_ms,
    lastUsedMs,
    state: stateOf(record, nowMs),
  }
}

function isKept({ revoked_ms: revoked }: ApiKeyRecord, nowMs: number): boolean {
  return revoked === undefined || nowMs - revoked < keptMs
}

async function revoke({ keys, now }: ApiKeyAdminOptions, id: string): Promise<ApiKeyInfo> {
  let info: ApiKeyInfo | undefined
  await updateShelf(keys, text => {
    const records = parseRecords(text)
    const record = records.find(each => each.id === id)
    if (record === undefined)
      throw new AppError('NOT_FOUND', 'There is no API key with this id.', {
        hint: '`muniment keys api list` shows all ids.',
      })
    if (record.revoked_ms !== undefined) {
      info = infoOf(record, now())
      return undefined
    }
    const revoked = { ...record, revoked_ms: now() }
    info = infoOf(revoked, now())
    return formatRecords(records.map(each => (each === record ? revoked : each)))
  })
  if (info === undefined) throw new AppError('NOT_FOUND', 'There is no API key with this id.')
  return info
}

/** Creates, lists and revokes API keys on their shelves. */
export function createApiKeyAdmin(options: ApiKeyAdminOptions): ApiKeyAdmin {
  const { keys, uses, now, randomBytes } = options
  return {
    create: async grant => {
      check(grant, now())
      const { key, record } = makeApiKey(grant, { randomBytes, nowMs: now() })
      await updateShelf(keys, text =>
        formatRecords([...parseRecords(text).filter(each => isKept(each, now())), record]),
      )
      return { key, info: infoOf(record, now()) }
    },
    list: async () => {
      const lastUses = parseUses((await uses.read())?.text)
      const records = parseRecords((await keys.read())?.text)
      return records.map(record => infoOf(record, now(), lastUses.get(record.id)))
    },
    revoke: async id => await revoke(options, id),
  }
}
