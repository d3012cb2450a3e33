import { AppError } from '@muniment/schema'
import type { ApiKeyRecord } from './key.ts'

interface Document {
  readonly v: 1
  readonly keys: readonly ApiKeyRecord[]
}

const mostKeys = 10_000
const texts = ['id', 'name', 'tenant', 'salt', 'hash'] as const
const hashForm = /^[A-Za-z0-9_-]{43}$/u

function isInstant(value: unknown): boolean {
  return value === undefined || (typeof value === 'number' && Number.isFinite(value))
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A record with a part missing or of another type would open more than was meant: a key that never expires, say. */
function isRecord(value: unknown): value is ApiKeyRecord {
  if (!isMap(value) || !texts.every(name => typeof value[name] === 'string')) return false
  const { scopes, hash, created_ms: created } = value
  return (
    typeof created === 'number' &&
    hashForm.test(String(hash)) &&
    isInstant(value['expires_ms']) &&
    isInstant(value['revoked_ms']) &&
    Array.isArray(scopes) &&
    scopes.every(scope => typeof scope === 'string')
  )
}

function isDocument(value: unknown): value is Document {
  return isMap(value) && value['v'] === 1 && Array.isArray(value['keys']) && value['keys'].every(isRecord)
}

/** The records of a text; none where there is no text. Throws `SECRET_MALFORMED` where it is anything but a list of whole records. */
export function parseRecords(text: string | undefined): readonly ApiKeyRecord[] {
  if (text === undefined) return []
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (isDocument(value)) return value.keys
  throw new AppError('SECRET_MALFORMED', 'The list of API keys is damaged.', {
    hint: 'Restore it from its previous version; until then no key is taken.',
  })
}

export function formatRecords(keys: readonly ApiKeyRecord[]): string {
  if (keys.length > mostKeys)
    throw new AppError('LIMIT_EXCEEDED', `There may be ${mostKeys} API keys, no more.`, {
      hint: 'Revoke keys that nobody uses; revoked ones are dropped 90 days later.',
    })
  const document: Document = { v: 1, keys }
  return JSON.stringify(document)
}
