import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

/** A process that waits for its one query. */
export interface SandboxProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  /** Resolves when the process is gone, or never was. */
  readonly exited: Promise<void>
}

/** Where queries get their processes from. */
export interface ProcessPool extends AsyncDisposable {
  readonly take: () => SandboxProcess
}

/** How processes are started. */
export interface PoolOptions {
  /** Keeps one process waiting, so that a query does not wait for its start. It costs about 80 MB while nobody asks. */
  readonly keepsSpare: boolean
  /** Folder for compiled code: halves the start. */
  readonly codeCache?: string | undefined
}

function entry(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`../main-sandbox.${extension}`, import.meta.url))
}

function start({ codeCache }: PoolOptions): SandboxProcess {
  const child = spawn(process.execPath, ['--max-old-space-size=512', entry()], {
    // Nothing of our environment: it may name secrets, and the query needs none of it.
    env: codeCache === undefined ? {} : { NODE_COMPILE_CACHE: codeCache },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  // The reason why the pipe broke comes out of the replies.
  child.stdin.on('error', () => undefined)
  const { promise: exited, resolve } = Promise.withResolvers<void>()
  child.once('close', () => resolve())
  child.once('error', () => resolve())
  return { child, exited }
}

function isWaiting({ child }: SandboxProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** Starts processes, each for one query. */
export function createProcessPool(options: PoolOptions): ProcessPool {
  let spare: SandboxProcess | undefined
  let isClosed = false
  const prepare = (): void => {
    if (isClosed || (spare !== undefined && isWaiting(spare))) return
    spare = start(options)
    // A process that waits must not keep ours from ending.
    spare.child.unref()
  }
  return {
    take() {
      const taken = spare !== undefined && isWaiting(spare) ? spare : start(options)
      spare = undefined
      taken.child.ref()
      // Only then, so that it does not take processor time from the query.
      if (options.keepsSpare) void taken.exited.then(prepare)
      return taken
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      spare?.child.ref()
      spare?.child.kill('SIGKILL')
      await spare?.exited
    },
  }
}
