/** What there is to do before a process ends. */
export interface LastActs {
  /** The process has nothing left to do and waits until this is over. */
  readonly close: () => Promise<void>
  /** The process may go on afterwards. */
  readonly flushSync: () => void
  /** The process ends. */
  readonly closeSync: () => void
}

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * A signal that nobody else listens to ends the process as it would without us. We come first and leave before the others
 * are asked: a listener that ends the process only if it is alone would otherwise wait for us, and we for it.
 */
function onSignal(signal: NodeJS.Signals, { flushSync, closeSync }: LastActs): () => void {
  const listen = (): void => {
    process.removeListener(signal, listen)
    if (process.listenerCount(signal) > 0) return flushSync()
    closeSync()
    process.kill(process.pid, signal)
  }
  process.prependListener(signal, listen)
  return () => process.removeListener(signal, listen)
}

/** Saves what is in memory when the process ends, in whatever way it lets us see; returns how to stop that. */
export function onLastMoment(acts: LastActs): () => void {
  const beforeExit = (): void => void acts.close()
  // Once: what it does keeps the process alive a little, after which the same event comes again.
  process.once('beforeExit', beforeExit)
  process.on('exit', acts.closeSync)
  const forget = signals.map(signal => onSignal(signal, acts))
  return () => {
    process.removeListener('beforeExit', beforeExit)
    process.removeListener('exit', acts.closeSync)
    for (const one of forget) one()
  }
}
