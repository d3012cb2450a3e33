import type { Sink } from './sink.ts'

/** Where lines go. */
export interface StdoutConfig {
  readonly kind: 'stdout'
  /** Takes one line of JSON with its line end; rejects where it cannot. */
  readonly write: (line: string) => Promise<void>
}

/** One JSON line per alert. */
export function openStdout(config: StdoutConfig): Sink {
  return {
    name: 'stdout',
    deliver: async (alert, signal) => {
      signal.throwIfAborted()
      await config.write(`${JSON.stringify(alert)}\n`)
    },
  }
}
