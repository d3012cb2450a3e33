import { AppError } from '@muniment/schema'
import type { Reader } from '../engine/contract.ts'

/** Who may be answered at the same time. */
export interface Admission {
  /** Resolves the place that must be given back. Throws `RATE_LIMITED` where there is none. */
  readonly enter: (by: Reader | undefined) => Disposable
}

function nameOf({ issuer = '', id, client_id: client = '' }: Reader): string {
  return JSON.stringify([issuer, id, client])
}

function refuse(most: number): never {
  throw new AppError('RATE_LIMITED', `${most} questions are being answered already.`, {
    hint: 'Try again when one of them is answered.',
  })
}

/** Bounds how many are answered at once, and how many of those one caller may have. */
export function createAdmission(limits: { readonly total: number; readonly perCaller: number }): Admission {
  const running = new Map<string, number>()
  let total = 0
  const change = (name: string, by: number): void => {
    total += by
    const count = (running.get(name) ?? 0) + by
    if (count === 0) running.delete(name)
    else running.set(name, count)
  }
  return {
    enter(by) {
      const name = by === undefined ? '' : nameOf(by)
      if (total >= limits.total) refuse(limits.total)
      if (by !== undefined && (running.get(name) ?? 0) >= limits.perCaller) refuse(limits.perCaller)
      change(name, 1)
      let isIn = true
      return {
        [Symbol.dispose]() {
          if (isIn) change(name, -1)
          isIn = false
        },
      }
    },
  }
}
