import { closeSync, openSync, writeSync } from 'node:fs'

/** A file that log lines are appended to; only its owner may read it. */
export function openLogFile(path: string): Disposable & { readonly write: (line: string) => void } {
  const file = openSync(path, 'a', 0o600)
  return {
    write: line => void writeSync(file, line),
    [Symbol.dispose]: () => closeSync(file),
  }
}
