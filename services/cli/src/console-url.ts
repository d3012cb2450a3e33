import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '@muniment/runtime'

/** Keeps the console's address, with its token, where only this user can read it: `$MUNIMENT_HOME/console.url`. */
export function keepConsoleUrl({ home }: Config, url: string): void {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeFileSync(join(home, 'console.url'), `${url}\n`, { mode: 0o600 })
}
