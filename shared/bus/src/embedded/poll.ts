import type { EmbeddedLog } from './log.ts'

const minDelayMs = 5
const maxDelayMs = 50

/** While somebody listens, looks what other processes have committed: often where much comes, seldom where nothing does. */
export function followOthers(log: EmbeddedLog): void {
  let timer: NodeJS.Timeout | undefined
  let delayMs = minDelayMs
  const tick = (): void => {
    delayMs = log.look() ? minDelayMs : Math.min(maxDelayMs, delayMs * 1.2)
    timer = setTimeout(tick, delayMs)
  }
  log.onListening(isListened => {
    clearTimeout(timer)
    timer = undefined
    if (!isListened) return
    delayMs = minDelayMs
    timer = setTimeout(tick, delayMs)
  })
}
