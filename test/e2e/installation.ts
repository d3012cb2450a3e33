// One running Muniment, as the cases see it: where interceptors publish to, and the command that people ask with.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openBus, type Bus } from '@muniment/bus'
import { readConfig } from '@muniment/runtime'
import { z } from 'zod'
import { inherited } from '../lanes/environment.ts'
import type { Server } from '../lanes/server.ts'

type Environment = Readonly<Record<string, string>>

/** Everything that stands behind interceptors, running. */
export interface Installation extends AsyncDisposable {
  /** Scratch folder; removed at the end. */
  readonly folder: string
  /** `MUNIMENT_HOME` of the interceptors. */
  readonly home: string
  readonly interceptor: Environment
  /** The settings and rights of somebody who asks. */
  readonly reader: Environment
  /** The settings and rights of somebody who operates it. */
  readonly operator: Environment
  /** The settings of somebody who may read every topic, as whoever owns the brokers may. */
  readonly owner: Environment
  /** Folders that hold everything that was written anywhere: bus, spool, state, archive, logs. */
  readonly places: readonly string[]
  /** The processes behind the interceptors by name. */
  readonly workers: ReadonlyMap<string, Server>
}

/** What a command came to. */
export interface Answer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export const muniment: string = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))

const commandTimeoutMs = 60_000

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}

/** Runs `muniment` to its end, a minute at most. */
export async function ask(args: readonly string[], env: Environment, input = ''): Promise<Answer> {
  const child = spawn(process.execPath, [muniment, ...args], {
    env: inherited(env),
    timeout: commandTimeoutMs,
    killSignal: 'SIGKILL',
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([textOf(child.stdout), textOf(child.stderr)])
  const [code] = await closed
  return { code: typeof code === 'number' ? code : 128, stdout, stderr }
}

/** The answer of a command with `--json`, line by line, held to a schema. */
export function linesOf<T>({ stdout }: Pick<Answer, 'stdout'>, schema: z.ZodType<T>): readonly T[] {
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => schema.parse(JSON.parse(line)))
}

/** The rows of a query. */
export async function rowsOf<T>(env: Environment, sql: string, schema: z.ZodType<T>): Promise<readonly T[]> {
  const answer = await ask(['query', sql, '--json', '--limit', '100000'], env)
  if (answer.code !== 0) throw new Error(`the query ended with ${answer.code}: ${answer.stderr}`)
  if (answer.stderr.includes('more there'))
    throw new Error('the query has more rows than one answer may have')
  return linesOf(answer, schema)
}

/** The bus as somebody with these settings and rights sees it. */
export async function openBusOf(env: Environment): Promise<Bus> {
  const { bus } = readConfig({ env })
  if (bus.kind === 'collector') throw new Error('a collector cannot be read from')
  return await openBus(bus)
}
