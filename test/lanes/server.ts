// One life cycle for every test server: start, freeze, kill, bring back, stop.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { supervise, untilReady, type Running } from './supervise.ts'

/** A server process of a test; disposing it stops it and removes its folder. */
export interface Server extends AsyncDisposable {
  readonly pid: () => number
  /** Everything the server has printed. */
  readonly log: () => string
  /** Freezes the process (SIGSTOP): connections stay open, nothing answers. */
  readonly pause: () => void
  readonly resume: () => void
  /** Ends the process at once, as a power cut of the process, not of the disk. */
  readonly kill9: () => Promise<void>
  /** Starts it again on the same ports and data, stopping it first where it still runs; resolves when it answers. */
  readonly restart: () => Promise<void>
  /** Ends the process by its own shutdown, or by SIGKILL after 20 s, and removes its folder. */
  readonly stop: () => Promise<void>
}

export interface ServerSpec {
  readonly folder: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly isReady: () => Promise<boolean>
}

const readyTimeoutMs = 60_000
const stopTimeoutMs = 20_000

/** A new private folder for one server. */
export function serverFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `muniment-${name}-`))
}

async function end(child: Running): Promise<void> {
  child.signal('SIGCONT')
  child.signal('SIGTERM')
  const patience = setTimeout(() => child.signal('SIGKILL'), stopTimeoutMs)
  await child.exited
  clearTimeout(patience)
}

/** Starts a server and resolves when it answers. */
export async function startServer(spec: ServerSpec): Promise<Server> {
  const logFile = join(spec.folder, 'server.log')
  const launch = async (): Promise<Running> => {
    const started = await supervise({ ...spec, cwd: spec.folder, logFile })
    await untilReady(started, { isReady: spec.isReady, logFile, timeoutMs: readyTimeoutMs })
    return started
  }
  const forget = (): void => rmSync(spec.folder, { recursive: true, force: true, maxRetries: 10 })
  let child = await launch().catch((error: unknown) => {
    forget()
    throw error
  })
  const stop = async (): Promise<void> => {
    await end(child)
    forget()
  }
  return {
    pid: () => child.pid,
    log: () => readFileSync(logFile, 'utf8'),
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    kill9: async () => {
      child.signal('SIGKILL')
      await child.exited
    },
    restart: async () => {
      await end(child)
      child = await launch()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
