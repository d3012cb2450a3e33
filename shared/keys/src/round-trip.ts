import { createCipheriv, createDecipheriv, createHash, createHmac, type KeyObject } from 'node:crypto'
import type { Conversation, SealPlace, VaultKeys, VaultRow, VaultStore } from '@muniment/pii'
import { AppError } from '@muniment/schema'
import type { StateStore } from '@muniment/state'
import { z } from 'zod'
import { createMaskingKeys, type MaskingKeys } from './masking.ts'

const folder = 'round-trip'
const cipherName = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16
const idDigits = 32
const attempts = 20

/** Most tokens of one conversation; beyond them the ones that expire first are forgotten. */
const maxRows = 5000

function placeText({ conversation, token, expiresMs }: SealPlace): Uint8Array {
  const { tenant, principal, conversation: name } = conversation
  return Buffer.from(JSON.stringify([tenant, principal, name, token, expiresMs]))
}

function seal(
  key: KeyObject,
  place: SealPlace,
  { value, nonce }: { value: string; nonce: Uint8Array },
): string {
  const cipher = createCipheriv(cipherName, key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(placeText(place))
  return Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  )
}

function open(key: KeyObject, place: SealPlace, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  if (bytes.length < nonceBytes + tagBytes) return undefined
  const decipher = createDecipheriv(cipherName, key, bytes.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(placeText(place))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  const body = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
  try {
    return Buffer.concat([body, decipher.final()]).toString()
  } catch {
    return undefined
  }
}

/** The keyed functions of a round trip under one generation of `masking`: ids by HMAC-SHA-256, rows under AES-256-GCM, both per tenant. */
export function roundTripKeys(keys: MaskingKeys, randomBytes: (size: number) => Uint8Array): VaultKeys {
  return {
    idOf: ({ tenant, principal, conversation }, value) =>
      createHmac('sha256', keys.tokenKey(tenant, 'round trip'))
        .update(JSON.stringify([principal, conversation, value]))
        .digest('hex')
        .slice(0, idDigits),
    seal: (place, value) =>
      seal(keys.tokenKey(place.conversation.tenant, 'round trip rows'), place, {
        value,
        nonce: randomBytes(nonceBytes),
      }),
    open: (place, sealed) => open(keys.tokenKey(place.conversation.tenant, 'round trip rows'), place, sealed),
  }
}

/** The same under a key of one's own, for conversations that no other process knows. */
export function roundTripKeysUnder(key: Uint8Array, randomBytes: (size: number) => Uint8Array): VaultKeys {
  return roundTripKeys(createMaskingKeys({ id: 'own', activeFromMs: 0, key }), randomBytes)
}

const rowsSchema = z.array(z.object({ token: z.string(), sealed: z.string(), expiresMs: z.number() }))

function readRows(value: Uint8Array): readonly VaultRow[] {
  return rowsSchema.parse(JSON.parse(Buffer.from(value).toString()))
}

/** Names say neither who nor what; the tenant must be one that keys may be made for. */
function keyOf({ tenant, principal, conversation }: Conversation): string {
  if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/u.test(tenant))
    throw new AppError(
      'INVALID_INPUT',
      `${JSON.stringify(tenant.slice(0, 80))} cannot be the name of a tenant.`,
    )
  const name = createHash('sha256')
    .update(JSON.stringify([principal, conversation]))
    .digest('hex')
  return `${folder}/${tenant}/${name}`
}

/** Rows by token, newest expiry last; what has expired, or is too much, is left out. */
function merged(rows: readonly VaultRow[], nowMs: number): readonly VaultRow[] {
  const byToken = new Map(rows.toSorted((a, b) => a.expiresMs - b.expiresMs).map(row => [row.token, row]))
  return [...byToken.values()]
    .filter(({ expiresMs }) => expiresMs > nowMs)
    .toSorted((a, b) => a.expiresMs - b.expiresMs)
    .slice(-maxRows)
}

/** The rows of round trips in the state, and their sweeping. */
export interface RoundTripStore extends VaultStore {
  /** Removes conversations in which everything has expired; how many. */
  readonly sweep: () => Promise<number>
}

/** Opens the store of round trips: one small value of the state per conversation, replaced as a whole. */
export function openRoundTripStore(state: StateStore, now: () => number): RoundTripStore {
  async function tryPut(key: string, rows: readonly VaultRow[]): Promise<boolean> {
    const entry = await state.get(key)
    const all = merged([...(entry === undefined ? [] : readRows(entry.value)), ...rows], now())
    return (await state.put(key, Buffer.from(JSON.stringify(all)), entry?.version)) !== undefined
  }
  return {
    async put(conversation, rows) {
      const key = keyOf(conversation)
      for (let n = 0; n < attempts; n += 1) if (await tryPut(key, rows)) return
      throw new AppError('STORE_CONFLICT', 'Too many writers add tokens to one conversation at once.')
    },
    async get(conversation, tokens) {
      const entry = await state.get(keyOf(conversation))
      if (entry === undefined) return []
      const wanted = new Set(tokens)
      return readRows(entry.value).filter(({ token, expiresMs }) => wanted.has(token) && expiresMs > now())
    },
    async sweep() {
      let removed = 0
      for await (const key of state.list(`${folder}/`)) {
        const entry = await state.get(key)
        if (entry === undefined || merged(readRows(entry.value), now()).length > 0) continue
        await state.delete(key)
        removed += 1
      }
      return removed
    },
  }
}
