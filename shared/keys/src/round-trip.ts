import { createHash } from 'node:crypto'
import type { Conversation, VaultRow, VaultStore } from '@muniment/pii'
import { AppError } from '@muniment/schema'
import type { StateStore } from '@muniment/state'
import { z } from 'zod'

const folder = 'round-trip'
const attempts = 20

/** Most tokens of one conversation; beyond them the ones that expire first are forgotten. */
const maxRows = 5000

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
