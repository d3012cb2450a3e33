import { closeSync, openSync, writeSync } from 'node:fs'

interface LogFile extends Disposable {
  /** Never throws: a line that the disk does not take is lost, and the next one that it takes is preceded by how many were. */
  readonly write: (line: string) => void
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason'
  return 'code' in error ? String(error.code) : error.message
}

function lostLine(lost: number): string {
  // On a line of its own: of the first one that was lost, a part may stand before it.
  return `\n${JSON.stringify({ event: 'log.lines_lost', level: 'warn', time: new Date().toISOString(), lost })}\n`
}

/** A file that log lines are appended to; only its owner may read it. `onProblem` is told once an outage in which it cannot be written. */
export function openLogFile(path: string, onProblem: (reason: string) => void): LogFile {
  const file = openSync(path, 'a', 0o600)
  let lost = 0
  return {
    write: line => {
      try {
        const text = lost === 0 ? line : `${lostLine(lost)}${line}`
        if (writeSync(file, text) < Buffer.byteLength(text)) throw new Error('only a part was written')
        lost = 0
      } catch (error) {
        if (lost === 0) onProblem(reasonOf(error))
        lost += 1
      }
    },
    [Symbol.dispose]: () => closeSync(file),
  }
}
