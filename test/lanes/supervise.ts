// Starts a server program that cannot outlive the process that started it, however that one ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Standard output and error are appended here. */
  readonly logFile: string
}

export interface Running {
  readonly pid: number
  /** Settles with the exit status, 128 + n after signal n. */
  readonly exited: Promise<number>
  readonly hasExited: () => boolean
  readonly signal: (name: NodeJS.Signals) => void
}

// The shell holds our end of a pipe: when we die, even of SIGKILL, the kernel closes it and the watcher kills the
// program. A timer that compares parent ids would leave a gap, and PR_SET_PDEATHSIG exists on Linux only.
// The program is in the background, where POSIX shells ignore SIGINT, so a Ctrl-C in a terminal reaches it through us.
const keeper = `
exec 3<&0
"$@" </dev/null >>"$0" 2>&1 3<&- &
child=$!
echo "$child"
( read -r _ <&3; kill -9 "$child" ) >/dev/null 2>&1 &
watcher=$!
wait "$child"
status=$?
kill "$watcher"
exit "$status"`

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return text.trim()
}

/** Starts `program`; the promise holds the process that runs it, not yet a server that answers. */
export async function supervise(program: Program): Promise<Running> {
  const shell = spawn('/bin/sh', ['-c', keeper, program.logFile, program.command, ...program.args], {
    cwd: program.cwd,
    env: program.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  shell.stdin.on('error', () => undefined)
  let isGone = false
  const exited = once(shell, 'exit').then(([status]) => {
    isGone = true
    return typeof status === 'number' ? status : 1
  })
  const pid = Number(await firstLine(shell.stdout))
  return {
    pid,
    exited,
    hasExited: () => isGone,
    signal: name => {
      if (!isGone) process.kill(pid, name)
    },
  }
}

export interface Readiness {
  readonly isReady: () => Promise<boolean>
  readonly logFile: string
  readonly timeoutMs: number
}

/** Waits until the server answers; throws with the end of its log when it ends or takes too long. */
export async function untilReady(child: Running, readiness: Readiness): Promise<void> {
  const deadline = performance.now() + readiness.timeoutMs
  while (!(await readiness.isReady())) {
    if (child.hasExited()) throw failure(`ended with status ${await child.exited}`, readiness.logFile)
    if (performance.now() > deadline) {
      child.signal('SIGKILL')
      throw failure(`did not answer within ${readiness.timeoutMs} ms`, readiness.logFile)
    }
    await sleep(25)
  }
}

function failure(what: string, logFile: string): Error {
  return new Error(`the server ${what}; end of ${logFile}:\n${readFileSync(logFile, 'utf8').slice(-2000)}`)
}
