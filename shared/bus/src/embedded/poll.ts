import type { EmbeddedLog } from './log.ts'

const minDelayMs = 5
const maxDelayMs = 50

/** While somebody listens, looks what other processes have committed: often where much comes, seldom where nothing does. Disposing it ends that. */
export function followOthers(log: EmbeddedLog): Disposable {
  let timer: NodeJS.Timeout | undefined
  let delayMs = minDelayMs

  function hasNews(): boolean {
    try {
      return log.look()
    } catch {
      // A file that cannot be read any more is told to each listener when it reads itself.
      log.ring()
      return false
    }
  }

  function tick(): void {
    delayMs = hasNews() ? minDelayMs : Math.min(maxDelayMs, delayMs * 1.2)
    timer = setTimeout(tick, delayMs)
  }

  function stop(): void {
    clearTimeout(timer)
    timer = undefined
  }

  log.onListening(isListened => {
    stop()
    if (!isListened) return
    delayMs = minDelayMs
    timer = setTimeout(tick, delayMs)
  })
  return {
    [Symbol.dispose]: () => {
      stop()
      log.onListening(() => undefined)
    },
  }
}
