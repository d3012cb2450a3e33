import { AppError } from '@muniment/schema'
import {
  maxGenerations,
  newGeneration,
  parseSecret,
  secretText,
  type Generation,
  type Source,
} from './generations.ts'
import type { SecretName, SecretStore } from './secrets/secrets.ts'

/** What became of a rotation. */
export interface Rotation {
  /** The newest generation. */
  readonly id: string
  /** From when on new things are made with it. */
  readonly activeFromMs: number
  /** `false`: there was one already that is not active yet, so no other was made. */
  readonly isNew: boolean
}

/** What turning over a secret needs. */
export interface RotateOptions extends Source {
  readonly secrets: SecretStore
  /** How long processes keep a secret in memory. */
  readonly cacheTtlMs: number
}

/** Clocks of the processes that share a secret may differ by as much. */
const skewMs = 2000
const maxAttempts = 5

type Change = (generations: readonly Generation[]) => readonly Generation[] | undefined

/** Reads, changes and replaces a secret until nobody else came between; `undefined` leaves it as it is. */
async function change(
  { secrets }: RotateOptions,
  name: SecretName,
  how: { readonly change: Change; readonly forgetsOld: boolean },
): Promise<readonly Generation[]> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const expected = await secrets.read(name)
    const before = parseSecret(name, expected)
    const after = how.change(before)
    if (after === undefined) return before
    const text = secretText(after)
    if (await secrets.replace(name, { text, expected, forgetsOld: how.forgetsOld })) return after
  }
  throw new AppError('STORE_CONFLICT', `The secret ${name} is being changed by others again and again.`)
}

/**
 * Adds a generation that becomes active once every process has read the secret again: from then on it is written with, while all generations that
 * are held can be read with. Asked again before that, it makes no other.
 */
export async function rotateSecret(options: RotateOptions, name: SecretName): Promise<Rotation> {
  const { now, cacheTtlMs } = options
  let isNew = false
  const after = await change(options, name, {
    forgetsOld: false,
    change(generations) {
      isNew = (generations.at(-1)?.activeFromMs ?? 0) <= now()
      if (!isNew) return undefined
      if (generations.length >= maxGenerations)
        throw new AppError(
          'LIMIT_EXCEEDED',
          `The secret ${name} has ${maxGenerations} generations: retire some.`,
        )
      const number = Math.max(...generations.map(({ id }) => Number.parseInt(id, 10) || 0)) + 1
      return [...generations, newGeneration(number, now() + cacheTtlMs + skewMs, options)]
    },
  })
  const newest = after.at(-1)
  if (newest === undefined) throw new RangeError('A secret has at least one generation.')
  return { id: newest.id, activeFromMs: newest.activeFromMs, isNew }
}

/** When processes have stopped making things with a generation: one cache lifetime after a newer one became active. */
function idleFromMs(generations: readonly Generation[], id: string, cacheTtlMs: number): number | undefined {
  const next = generations[generations.findIndex(each => each.id === id) + 1]
  return next && next.activeFromMs + cacheTtlMs + skewMs
}

/** Throws `KEY_IN_USE` where a process may still make things with the generation, `NOT_FOUND` where there is none. */
function assertIdle(
  { now, cacheTtlMs }: RotateOptions,
  generations: readonly Generation[],
  { name, id }: { readonly name: SecretName; readonly id: string },
): void {
  if (!generations.some(each => each.id === id))
    throw new AppError('NOT_FOUND', `The secret ${name} has no generation ${id.slice(0, 80)}.`, {
      hint: '`muniment keys status` lists the generations.',
    })
  const idleMs = idleFromMs(generations, id, cacheTtlMs)
  if (idleMs === undefined)
    throw new AppError('KEY_IN_USE', `Generation ${id} of ${name} is the newest.`, {
      hint: `Rotate first: \`muniment keys rotate ${name}\`.`,
    })
  if (now() < idleMs)
    throw new AppError(
      'KEY_IN_USE',
      `Generation ${id} of ${name} may be in use until ${new Date(idleMs).toISOString()}.`,
    )
}

/** Asks whether {@link retireGeneration} would find the generation idle; throws as it does. */
export async function checkIdle(options: RotateOptions, name: SecretName, id: string): Promise<void> {
  assertIdle(options, parseSecret(name, await options.secrets.read(name)), { name, id })
}

/** Destroys a generation with which nothing is made any more; whether anything still needs it is the caller's to know. */
export async function retireGeneration(options: RotateOptions, name: SecretName, id: string): Promise<void> {
  await change(options, name, {
    forgetsOld: true,
    change(generations) {
      assertIdle(options, generations, { name, id })
      return generations.filter(each => each.id !== id)
    },
  })
}
