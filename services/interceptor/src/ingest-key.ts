import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sealer } from './batch.ts'
import type { Clock } from './clock.ts'
import { createAnnounced, type Announced } from './control/announced.ts'
import { problemOf } from './problem.ts'
import { sealerOf } from './sealer.ts'
import type { Settings } from './settings.ts'

/** The key to seal to, which may change at any time. */
export interface IngestKey {
  /** None while no key is known. */
  readonly sealer: () => Sealer | undefined
  /** Takes a new key from verified decisions. */
  readonly hear: Announced<Sealer>['hear']
}

/** How often the file is looked at for another key. */
const recheckMs = 5000

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}

type KeySettings = Pick<Settings, 'home' | 'ingestKey' | 'controlKey' | 'onProblem'>
type Source = IngestKey['sealer']

/** The key that was set, else the one in `ingest.pub`, followed when it changes. */
function localKey({ home, ingestKey, onProblem }: KeySettings, clock: Clock): Source {
  if (ingestKey !== undefined) {
    const fixed = sealerOf(ingestKey)
    return () => fixed
  }
  const file = join(home, 'ingest.pub')
  let current: { readonly text: string; readonly sealer: Sealer } | undefined
  let checkedMs = -Infinity
  return () => {
    const nowMs = clock.monotonicMs()
    if (current !== undefined && nowMs - checkedMs < recheckMs) return current.sealer
    checkedMs = nowMs
    const text = readText(file)
    try {
      if (text !== undefined && text !== current?.text) current = { text, sealer: sealerOf(text) }
    } catch (error) {
      onProblem(problemOf(error, `The key in ${file} cannot be used`))
    }
    return current?.sealer
  }
}

/** Generations are counted at the beginning of a key's id. */
function generationOf({ kid }: Sealer): number {
  return Number.parseInt(kid, 10)
}

/**
 * The key to seal to: the one that was announced last, unless the one that was set, or lies in `ingest.pub`, is of a later generation,
 * as after a rotation that nobody announced. Throws `CONFIG_INVALID` at once where the key that was set is none.
 */
export function createIngestKey(settings: KeySettings, clock: Clock): IngestKey {
  const local = localKey(settings, clock)
  const announced = createAnnounced({ settings, clock, parse: sealerOf })
  return {
    hear: announced.hear,
    sealer: () => {
      const [told, own] = [announced.current(), local()]
      if (told === undefined || own === undefined) return told ?? own
      return generationOf(own) > generationOf(told) ? own : told
    },
  }
}
