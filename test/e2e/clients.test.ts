import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newIngestKey } from '../bench/ingest-key.ts'
import { inherited } from '../lanes/environment.ts'
import { bridgeProgram, inspectorProgram } from '../lanes/inspector.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { freePort, isListening } from '../lanes/ports.ts'
import { askSdk, sdkClients } from './sdk-clients.ts'
import { subjects, type Ask, type Asking, type Subject } from './subjects.ts'

// The official clients must see no difference between a server that nobody here wrote and the same one observed, by stdio and by HTTP.

const run = promisify(execFile)
const muniment = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))
const patienceMs = 120_000

const started: ChildProcess[] = []
let folder = ''
let settings: Record<string, string> = {}
/** Of each server, where it is served by HTTP. */
const upstreams = new Map<string, string>()
let proxy = ''

async function serve(args: readonly string[], port: number, env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, args, { stdio: 'ignore', env: inherited(env), cwd: folder })
  started.push(child)
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${args[0]} ended with ${child.exitCode}`)
    await sleep(50)
  }
}

/** Serves it by HTTP, through a bridge where it cannot itself. */
async function serveHttp({ name, command, http }: Subject): Promise<void> {
  const port = await freePort()
  const env = { ...settings, PORT: String(port) }
  const bridge = [bridgeProgram(), '--host', '127.0.0.1', '--port', env.PORT, '--server', 'stream', '--']
  await serve(http?.() ?? [...bridge, process.execPath, ...command(folder)], port, env)
  upstreams.set(name, `http://127.0.0.1:${port}/mcp`)
}

async function serveProxy(): Promise<string> {
  const port = await freePort()
  const routes = [...upstreams].flatMap(([name, url]) => ['--upstream', `/${name}=${url}`])
  const args = [muniment, 'proxy', ...routes, '--listen', `127.0.0.1:${port}`]
  await serve(args, port, { ...settings, MUNIMENT_HOME: join(folder, 'proxied') })
  return `http://127.0.0.1:${port}`
}

/** How the inspector is told what to ask; what it cannot ask is left out. */
const flagsOf: Readonly<Record<string, (params: Ask['params']) => readonly string[]>> = {
  'tools/list': () => [],
  'prompts/list': () => [],
  'resources/list': () => [],
  'tools/call': ({ name, arguments: given = {} }) => [
    '--tool-name',
    String(name),
    ...Object.entries(given).flatMap(([key, value]) => [
      '--tool-arg',
      `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ]),
  ],
}

/** What the inspector shows a person, and how it ends; one process for each question. */
async function askInspector(target: readonly string[], { env, asks }: Asking): Promise<readonly unknown[]> {
  const given = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  const transport = target.length === 1 ? 'http' : 'stdio'
  const seen: unknown[] = []
  for (const { method, params, inspected } of asks) {
    const flags = inspected === true ? flagsOf[method]?.(params) : undefined
    if (flags === undefined) continue
    // The command comes last: it has a `--` of its own.
    const args = ['--cli', '--method', method, ...flags, '--transport', transport, ...given, ...target]
    // The inspector keeps files in the home of its user.
    const options = { env: inherited({ HOME: folder }), cwd: folder }
    seen.push(
      await run(process.execPath, [inspectorProgram(), ...args], options).then(
        ({ stdout }) => ({ stdout }),
        (error: unknown) => ({ code: Object(error).code, stdout: Object(error).stdout }),
      ),
    )
  }
  return seen
}

const clients: readonly { readonly client: string; readonly ask: typeof askInspector }[] = [
  ...sdkClients.map(({ name, connect }) => ({
    client: name,
    ask: async (target: readonly string[], asking: Asking) => await askSdk(target, connect, asking),
  })),
  { client: 'the inspector', ask: askInspector },
]

describeLanes(['inspector'], 'the official clients', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-clients-'))
    await mkdir(join(folder, 'files'))
    settings = { MUNIMENT_INGEST_KEY: newIngestKey(), MEMORY_FILE_PATH: join(folder, 'memory.jsonl') }
    for (const subject of subjects) await serveHttp(subject)
    proxy = await serveProxy()
  }, patienceMs)
  afterAll(async () => {
    for (const child of started) child.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  describe.each(subjects)('of server-$name', ({ name, command, asks, answers }) => {
    test.each(clients)(
      '$client gets the same under wrap',
      async ({ client, ask }) => {
        const home = join(folder, `${name}-${client}`)
        const env = { ...settings, MUNIMENT_HOME: home }
        const plain = [process.execPath, ...command(folder)]
        const wrapped = [process.execPath, muniment, 'wrap', '--server-name', name, '--', ...plain]
        const asking = { env, asks: asks(folder) }
        const direct = await ask(plain, asking)
        expect(existsSync(home)).toBe(false)
        expect(await ask(wrapped, asking)).toEqual(direct)
        expect(existsSync(join(home, 'spool'))).toBe(true)
        expect(JSON.stringify(direct)).toMatch(answers)
      },
      patienceMs,
    )

    test.each(clients)(
      '$client gets the same through the proxy',
      async ({ ask }) => {
        const asking = { env: {}, asks: asks(folder) }
        const direct = await ask([upstreams.get(name) ?? ''], asking)
        expect(await ask([`${proxy}/${name}`], asking)).toEqual(direct)
        expect(existsSync(join(folder, 'proxied', 'spool'))).toBe(true)
        expect(JSON.stringify(direct)).toMatch(answers)
      },
      patienceMs,
    )
  })
})
