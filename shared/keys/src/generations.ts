import { AppError } from '@muniment/schema'
import type { SecretName } from './secrets/secrets.ts'

/** One key of a secret: 32 bytes whose meaning follows from the secret's name. */
export interface Generation {
  /** Names the key in everything that depends on it. */
  readonly id: string
  /** From when on new things are made with it, in milliseconds since the epoch. */
  readonly activeFromMs: number
  readonly key: Uint8Array
}

const keyBytes = 32
/** Most generations of one secret. */
export const maxGenerations = 100
const idForm = /^[A-Za-z0-9_-]{1,64}$/u

/** Where new keys come from. */
export interface Source {
  readonly now: () => number
  readonly randomBytes: (size: number) => Uint8Array
}

/** The id of generation `number`: the random part tells it from another key that had the number before. */
export function newGenerationId(number: number, { randomBytes }: Source): string {
  return `${number}-${Buffer.from(randomBytes(4)).toString('hex')}`
}

/** The text of a secret with these generations. */
export function secretText(generations: readonly Generation[]): string {
  const shown = generations.map(({ id, activeFromMs, key }) => ({
    id,
    active_from: new Date(activeFromMs).toISOString(),
    key: Buffer.from(key).toString('base64url'),
  }))
  return `${JSON.stringify({ v: 1, generations: shown }, undefined, 2)}\n`
}

/** Generation `number` of a secret, fresh. */
export function newGeneration(number: number, activeFromMs: number, source: Source): Generation {
  return { id: newGenerationId(number, source), activeFromMs, key: source.randomBytes(keyBytes) }
}

/** The text of a new secret with one generation. */
export function newSecretText(source: Source): string {
  return secretText([newGeneration(1, source.now(), source)])
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The error would quote the text, which is a secret.
    return undefined
  }
}

function parseGeneration(value: unknown): Generation | undefined {
  if (!isRecord(value)) return undefined
  const { id, active_from: activeFrom, key } = value
  if (typeof id !== 'string' || typeof activeFrom !== 'string' || typeof key !== 'string') return undefined
  const bytes = Buffer.from(key, 'base64url')
  const activeFromMs = Date.parse(activeFrom)
  const isFit = idForm.test(id) && !Number.isNaN(activeFromMs) && bytes.length === keyBytes
  return isFit ? { id, activeFromMs, key: bytes } : undefined
}

/** Reads a secret's text. Throws `SECRET_MALFORMED`, which tells where but never what. */
export function parseSecret(name: SecretName, text: string): readonly Generation[] {
  const malformed = (what: string): AppError =>
    new AppError('SECRET_MALFORMED', `The secret ${name} ${what}.`)
  const secret = parseJson(text)
  if (!isRecord(secret)) throw malformed('is not a JSON object')
  if (secret['v'] !== 1) throw malformed('has a version other than 1')
  const { generations } = secret
  if (!Array.isArray(generations) || generations.length === 0 || generations.length > maxGenerations)
    throw malformed(`needs 1 to ${maxGenerations} generations`)
  const parsed = generations.map((each, index) => {
    const generation = parseGeneration(each)
    if (generation === undefined)
      throw malformed(`has a generation (${index + 1}) without a fit id, active_from or key`)
    return generation
  })
  if (new Set(parsed.map(({ id }) => id)).size < parsed.length) throw malformed('names one generation twice')
  return parsed.toSorted((a, b) => a.activeFromMs - b.activeFromMs)
}
