import { watch } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Something that is waited for and may have happened already. */
export interface Wake {
  readonly ring: () => void
  /** Resolves once it was rung, at the latest after a while. */
  readonly wait: (atMostMs: number) => Promise<void>
}

export function createWake(): Wake {
  let isRung = false
  let waiting: AbortController | undefined
  return {
    ring: () => {
      isRung = true
      waiting?.abort()
    },
    wait: async atMostMs => {
      waiting = new AbortController()
      if (!isRung) await sleep(atMostMs, undefined, { signal: waiting.signal }).catch(() => undefined)
      waiting = undefined
      isRung = false
    },
  }
}

/** Calls back when something changes in a folder; where the system cannot tell, it never does. Returns how to stop. */
export function watchFolder(folder: string, onChange: () => void): () => void {
  try {
    const watcher = watch(folder, { persistent: false }, onChange)
    watcher.on('error', () => watcher.close())
    return () => watcher.close()
  } catch {
    return () => undefined
  }
}
