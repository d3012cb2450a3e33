import { PassThrough, Writable } from 'node:stream'
import { run } from '../src/program.ts'

/** What a command line came to. */
export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

function collector(): Writable & { readonly text: () => string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  return Object.assign(stream, { text: () => Buffer.concat(chunks).toString() })
}

/** Runs a command line in this process with an environment and an input of its own. */
export async function muniment(
  args: readonly string[],
  {
    env = {},
    input = '',
    signal = new AbortController().signal,
  }: { env?: Record<string, string>; input?: string; signal?: AbortSignal } = {},
): Promise<Ran> {
  const [stdout, stderr] = [collector(), collector()]
  const stdin = new PassThrough()
  stdin.end(input)
  const exitCode = await run(args, { stdin, stdout, stderr, env, signal })
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() }
}
