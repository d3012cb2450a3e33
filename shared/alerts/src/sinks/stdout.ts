import { noticeBody } from '../notice.ts'
import { nothingToClose, type Sink } from './sink.ts'

/** Where lines go. */
export interface StdoutConfig {
  readonly kind: 'stdout'
  /** Takes one line of JSON with its line end; rejects where it cannot. */
  readonly write: (line: string) => Promise<void>
}

/** One JSON line per notice. */
export function openStdout(config: StdoutConfig): Sink {
  return {
    kind: 'stdout',
    deliver: async (notice, signal) => {
      signal.throwIfAborted()
      await config.write(`${noticeBody(notice)}\n`)
    },
    [Symbol.asyncDispose]: nothingToClose,
  }
}
