// Producers of a load as processes of their own; they call when they are told to, and tell how far they are.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inherited } from '../lanes/environment.ts'
import { muniment } from './installation.ts'

export interface Producer extends AsyncDisposable {
  readonly name: string
  /** Starts some more calls. */
  readonly burst: (calls: number) => void
  /** Resolves when it has made so many calls since its start. */
  readonly reached: (calls: number) => Promise<void>
  readonly made: () => number
  /** Resolves when it has ended by itself. */
  readonly end: () => Promise<void>
}

type How = 'v1' | 'v2' | 'wrap'

const program = fileURLToPath(import.meta.resolve('../fixtures/producer.ts'))
const fast = fileURLToPath(import.meta.resolve('../fixtures/fast-server.ts'))
const wrapper = [process.execPath, muniment, 'wrap', '--', process.execPath, fast]

/** Starts a producer that is observed in process or under `wrap`, and resolves when it is connected. */
export async function startProducer(
  name: string,
  how: How,
  env: Readonly<Record<string, string>>,
): Promise<Producer> {
  const child = spawn(process.execPath, [program, name, how, ...(how === 'wrap' ? wrapper : [])], {
    env: inherited(env),
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.on('error', () => undefined)
  const exited = once(child, 'exit')
  let made = -1
  let waiting: (() => void)[] = []
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve()
  }
  createInterface({ input: child.stdout }).on('line', line => {
    made = Number(line)
    wake()
  })
  void exited.then(wake)
  const reached = async (calls: number): Promise<void> => {
    while (made < calls) {
      if (child.exitCode !== null) throw new Error(`the producer ${name} ended after ${made} calls`)
      await new Promise<void>(resolve => waiting.push(resolve))
    }
  }
  await reached(0)
  return {
    name,
    burst: calls => void child.stdin.write(`${calls}\n`),
    reached,
    made: () => made,
    end: async () => {
      child.stdin.end()
      await exited
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
