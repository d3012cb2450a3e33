import { AppError } from '@muniment/schema'

/** `CONFIG_INVALID`, which ends a start; `setting` is named as the person wrote it. */
export function invalid(setting: string, problem: string, hint?: string): AppError {
  return new AppError('CONFIG_INVALID', `${setting} ${problem}`, {
    details: { setting },
    ...(hint !== undefined && { hint }),
  })
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** The name among `known` that was probably meant; `undefined` where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 100) return undefined
  const ranked = known
    .map(each => ({ each, far: distance(name.toLowerCase(), each.toLowerCase()) }))
    .toSorted((a, b) => a.far - b.far)
  const [best] = ranked
  return best !== undefined && best.far <= Math.max(2, name.length / 4) ? best.each : undefined
}
