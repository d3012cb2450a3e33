import { run } from './program.ts'

/** Aborts with the first Ctrl-C or SIGTERM; a program that does not listen ends as usual. */
function watchSignals(): AbortController {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
  return stop
}

/** A reader such as `head` that has seen enough is no failure. */
function endQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

/** Runs the command line of this process and resolves with its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  process.umask(0o077)
  endQuietlyOnClosedPipe()
  const { stdin, stdout, stderr, env } = process
  return run(args, { stdin, stdout, stderr, env, signal: watchSignals().signal })
}
