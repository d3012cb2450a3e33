import { createHash } from 'node:crypto'
import type { Time } from './time.ts'

/** Tells that something happened: who, what. Never anything that differs between two runs of one seed. */
export type Trace = (who: string, what: string) => void

/** What happened in a run. */
export interface Recorder {
  readonly trace: Trace
  /** Names everything that was told, in its order. */
  readonly digest: () => string
}

/** Records a run; `print` gets every line where one wants to read it. */
export function createRecorder(time: Time, print: ((line: string) => void) | undefined): Recorder {
  const hash = createHash('sha256')
  return {
    trace: (who, what) => {
      const line = `${(time.nowMs() / 1000).toFixed(3).padStart(8)}  ${who.padEnd(14)} ${what}`
      hash.update(`${line}\n`)
      print?.(line)
    },
    digest: () => hash.copy().digest('hex').slice(0, 16),
  }
}
