import { createCipheriv, createDecipheriv, createHmac, type KeyObject } from 'node:crypto'
import { AppError } from '@muniment/schema'
import type { StateStore } from '@muniment/state'
import type { MaskingKeys } from './masking.ts'

/** A value of personal data, in the one spelling that equal values share. */
export interface Subject {
  readonly kind: string
  readonly value: string
}

/** A row of the vault, opened. */
interface VaultRow extends Subject {
  /** Random letters. */
  readonly token: string
}

/**
 * Random tokens for personal data, one encrypted row per value in the state. A token says nothing; deleting its row makes it nobody's for ever, in
 * everything that was archived, while all other tokens stay what they are.
 */
export interface TokenVault {
  /** The tokens of these values; made, durably, where there is none yet. Of several makers at once one wins. */
  readonly tokens: (tenant: string, subjects: readonly Subject[]) => Promise<readonly string[]>
  /** The token of a value; `undefined` where it has none. */
  readonly find: (tenant: string, subject: Subject) => Promise<string | undefined>
  /** The value of a token, by looking at every row of the tenant; `undefined` where its row is gone, or never was. */
  readonly reveal: (tenant: string, token: string) => Promise<Subject | undefined>
  /** Removes a value's rows; the tokens that are nobody's from now on. */
  readonly erase: (tenant: string, subject: Subject) => Promise<readonly string[]>
  /** Removes every row of a tenant; how many. */
  readonly eraseTenant: (tenant: string) => Promise<number>
  /** Moves rows that depend on former generations of `masking` to the current one; tokens stay. How many were moved. */
  readonly rewrap: () => Promise<number>
  /** Names of rows that depend on a generation of `masking`. */
  readonly under: (generation: string) => AsyncIterable<string>
}

/** What a vault needs. */
export interface VaultOptions {
  readonly state: StateStore
  /** Every live generation of `masking`, oldest first; the current one. */
  readonly generations: () => Promise<readonly MaskingKeys[]>
  readonly current: () => Promise<MaskingKeys>
  readonly randomBytes: (size: number) => Uint8Array
}

const folder = 'vault'
const cipherName = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16
const tokenBytes = 16
const tenantForm = /^[a-z0-9][a-z0-9_.-]{0,62}$/u

function checkTenant(tenant: string): string {
  if (tenantForm.test(tenant)) return tenant
  throw new AppError(
    'INVALID_INPUT',
    `${JSON.stringify(tenant.slice(0, 80))} cannot be the name of a tenant.`,
  )
}

/** Where a value's row lies: found by who knows the value and holds the key, and by nobody else. */
function placeOf(keys: MaskingKeys, tenant: string, { kind, value }: Subject): string {
  const index = createHmac('sha256', keys.tokenKey(checkTenant(tenant), `vault-index ${kind}`)).update(value)
  return `${folder}/${tenant}/${keys.generation}/${index.digest('base64url')}`
}

function rowKey(keys: MaskingKeys, tenant: string): KeyObject {
  return keys.tokenKey(tenant, 'vault-row')
}

interface Sealing {
  readonly key: KeyObject
  /** The row's place, which it is bound to. */
  readonly place: string
}

function seal({ key, place }: Sealing, row: VaultRow, nonce: Uint8Array): Uint8Array {
  const cipher = createCipheriv(cipherName, key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(place))
  const body = cipher.update(JSON.stringify(row))
  return Buffer.concat([nonce, body, cipher.final(), cipher.getAuthTag()])
}

function isRow(value: unknown): value is VaultRow {
  if (typeof value !== 'object' || value === null) return false
  const { token, kind, value: text } = { token: 0, kind: 0, value: 0, ...value }
  return typeof token === 'string' && typeof kind === 'string' && typeof text === 'string'
}

function unseal({ key, place }: Sealing, sealed: Uint8Array): VaultRow {
  const bytes = Buffer.from(sealed)
  try {
    const decipher = createDecipheriv(cipherName, key, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
    decipher.setAAD(Buffer.from(place))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    const plain = Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()])
    const row: unknown = JSON.parse(plain.toString())
    if (isRow(row)) return row
  } catch {
    // Told below, without what was in it.
  }
  throw new AppError('KEY_WRONG', `A row of the token vault (${place}) does not open.`, {
    hint: 'The state was altered, or does not belong to this secret: restore the one that belongs to the other.',
  })
}

async function read({ state }: VaultOptions, sealing: Sealing): Promise<VaultRow | undefined> {
  const entry = await state.get(sealing.place)
  return entry && unseal(sealing, entry.value)
}

function sealingFor(keys: MaskingKeys, tenant: string, subject: Subject): Sealing {
  return { key: rowKey(keys, tenant), place: placeOf(keys, tenant, subject) }
}

async function find(options: VaultOptions, tenant: string, subject: Subject): Promise<VaultRow | undefined> {
  for (const keys of (await options.generations()).toReversed()) {
    const row = await read(options, sealingFor(keys, tenant, subject))
    if (row !== undefined) return row
  }
  return undefined
}

async function put(options: VaultOptions, tenant: string, row: VaultRow): Promise<string> {
  const sealing = sealingFor(await options.current(), tenant, row)
  const sealed = seal(sealing, row, options.randomBytes(nonceBytes))
  if ((await options.state.put(sealing.place, sealed, undefined)) !== undefined) return row.token
  const theirs = await read(options, sealing)
  // Erased again between the two steps: then this token is as good as any.
  return theirs?.token ?? (await put(options, tenant, row))
}

const letters = 'qrstuvwxyz'

/** Letters only, so that no token can be taken for a number, nor a part of it for personal data. */
function lettersOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return hex.replaceAll(/\d/gu, digit => letters[Number(digit)] ?? '')
}

async function tokenOf(options: VaultOptions, tenant: string, subject: Subject): Promise<string> {
  const known = await find(options, tenant, subject)
  if (known !== undefined) return known.token
  const token = lettersOf(options.randomBytes(tokenBytes))
  return await put(options, tenant, { token, kind: subject.kind, value: subject.value })
}

interface Placed extends Sealing {
  readonly tenant: string
  readonly generation: string
}

async function* rowsOf(options: VaultOptions, prefix: string): AsyncGenerator<Placed> {
  const byId = new Map((await options.generations()).map(keys => [keys.generation, keys]))
  for await (const place of options.state.list(prefix)) {
    const [, tenant = '', generation = ''] = place.split('/')
    const keys = byId.get(generation)
    if (keys !== undefined) yield { tenant, generation, place, key: rowKey(keys, tenant) }
  }
}

async function reveal(options: VaultOptions, tenant: string, token: string): Promise<Subject | undefined> {
  for await (const placed of rowsOf(options, `${folder}/${checkTenant(tenant)}/`)) {
    const row = await read(options, placed)
    if (row?.token === token) return { kind: row.kind, value: row.value }
  }
  return undefined
}

async function erase(options: VaultOptions, tenant: string, subject: Subject): Promise<readonly string[]> {
  const erased: string[] = []
  for (const keys of await options.generations()) {
    const sealing = sealingFor(keys, tenant, subject)
    const row = await read(options, sealing)
    if (row === undefined) continue
    await options.state.delete(sealing.place)
    erased.push(row.token)
  }
  return erased
}

async function eraseTenant({ state }: VaultOptions, tenant: string): Promise<number> {
  let count = 0
  for await (const place of state.list(`${folder}/${checkTenant(tenant)}/`)) {
    await state.delete(place)
    count += 1
  }
  return count
}

async function rewrap(options: VaultOptions): Promise<number> {
  const current = await options.current()
  let count = 0
  for await (const placed of rowsOf(options, `${folder}/`)) {
    if (placed.generation === current.generation) continue
    const row = await read(options, placed)
    if (row === undefined) continue
    await put(options, placed.tenant, row)
    await options.state.delete(placed.place)
    count += 1
  }
  return count
}

async function* under({ state }: VaultOptions, generation: string): AsyncGenerator<string> {
  for await (const place of state.list(`${folder}/`)) if (place.split('/')[2] === generation) yield place
}

/** The vault in a state; its keys are derived from the secret `masking`. */
export function createTokenVault(options: VaultOptions): TokenVault {
  return {
    tokens: async (tenant, subjects) =>
      await Promise.all(subjects.map(async subject => await tokenOf(options, tenant, subject))),
    find: async (tenant, subject) => (await find(options, tenant, subject))?.token,
    reveal: async (tenant, token) => await reveal(options, tenant, token),
    erase: async (tenant, subject) => await erase(options, tenant, subject),
    eraseTenant: async tenant => await eraseTenant(options, tenant),
    rewrap: async () => await rewrap(options),
    under: generation => under(options, generation),
  }
}
