import { updateShelf, type Shelf } from '../shelf.ts'

/** When each key was last used. */
type Uses = ReadonlyMap<string, number>

export function parseUses(text: string | undefined): Map<string, number> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (typeof value !== 'object' || value === null) return new Map()
    return new Map(
      Object.entries(value).flatMap(([id, ms]): [string, number][] =>
        typeof ms === 'number' ? [[id, ms]] : [],
      ),
    )
  } catch {
    // It is a convenience: a damaged one starts anew.
    return new Map()
  }
}

/** Notes when keys are used; writes seldom, and only what is known to be a key, so that nobody can make it grow. */
export interface UseKeeper {
  readonly used: (id: string) => void
  /** Writes what is noted. */
  readonly flush: () => Promise<void>
}

/** What a keeper of uses needs. */
interface UseOptions {
  readonly shelf: Shelf
  readonly now: () => number
  /** Whether a key is still there; of others the use is dropped. */
  readonly isKey: (id: string) => boolean
}

const writeEveryMs = 60_000

function merged(text: string | undefined, noted: Uses, isKey: (id: string) => boolean): string {
  const all = parseUses(text)
  for (const [id, ms] of noted) all.set(id, Math.max(ms, all.get(id) ?? 0))
  return JSON.stringify(Object.fromEntries([...all].filter(([id]) => isKey(id))))
}

/** Keeps last uses on a shelf of their own, at most one write a minute. */
export function createUseKeeper({ shelf, now, isKey }: UseOptions): UseKeeper {
  let noted = new Map<string, number>()
  let writtenMs = now()
  const flush = async (): Promise<void> => {
    const batch = noted
    if (batch.size === 0) return
    noted = new Map()
    writtenMs = now()
    await updateShelf(shelf, text => merged(text, batch, isKey))
  }
  return {
    flush,
    used: id => {
      noted.set(id, now())
      // When a key was last used is worth less than the call that uses it: a failure is dropped, and the next use notes it again.
      if (now() - writtenMs >= writeEveryMs) flush().catch(() => undefined)
    },
  }
}
