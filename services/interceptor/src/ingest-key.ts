import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseIngestKey, sealBatch, sealOverheadBytes } from '@muniment/keys/seal'
import type { Sealer } from './batch.ts'
import type { Clock } from './clock.ts'
import { problemOf } from './problem.ts'
import type { Settings } from './options.ts'

/** How often the file is looked at for another key. */
const recheckMs = 5000

function sealerOf(text: string): Sealer {
  const key = parseIngestKey(text)
  return {
    kid: key.kid,
    overheadBytes: sealOverheadBytes,
    seal: (plaintext, aad) => sealBatch(key, plaintext, aad),
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}

type KeySettings = Pick<Settings, 'home' | 'ingestKey' | 'onProblem'>

/**
 * The key to seal to: the one that was set, else the one in `ingest.pub`, followed when it changes; none until that file is there.
 * Throws `CONFIG_INVALID` at once where the key that was set is none.
 */
export function createIngestKey(settings: KeySettings, clock: Clock): () => Sealer | undefined {
  const { home, ingestKey, onProblem } = settings
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
