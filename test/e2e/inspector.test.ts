import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newIngestKey } from '../bench/ingest-key.ts'
import { inherited } from '../lanes/environment.ts'
import { inspectorProgram, serverProgram } from '../lanes/inspector.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { freePort, isListening } from '../lanes/ports.ts'

// The client that the makers of MCP debug servers with must see no difference between a server and the same one observed.

const run = promisify(execFile)
const muniment = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))
const everything = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))

const started: ChildProcess[] = []
const ingestKey = newIngestKey()
let folder = ''

function isAddress([first = '']: readonly string[]): boolean {
  return first.startsWith('http:')
}

/** What the inspector shows a person, and how it ends. */
async function inspect(target: readonly string[], ask: readonly string[]): Promise<unknown> {
  const settings = {
    MUNIMENT_HOME: join(folder, 'home'),
    MUNIMENT_INGEST_KEY: ingestKey,
    MEMORY_FILE_PATH: join(folder, 'memory.jsonl'),
  }
  const given = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  // The command comes last: it has a `--` of its own.
  const options = [...ask, '--transport', isAddress(target) ? 'http' : 'stdio', ...given]
  const args = [inspectorProgram(), '--cli', ...options, ...target]
  // The inspector keeps files in the home of its user.
  const env = inherited({ HOME: folder })
  try {
    return { stdout: (await run(process.execPath, args, { env, cwd: folder })).stdout }
  } catch (error) {
    const { code, stdout } = Object(error)
    return { code, stdout }
  }
}

function wrapped(command: readonly string[]): string[] {
  return [process.execPath, muniment, 'wrap', '--server-name', 'inspected', '--', ...command]
}

async function serve(args: readonly string[], port: number, env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, args, { stdio: 'ignore', env: inherited(env), cwd: folder })
  started.push(child)
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${args[0]} ended with ${child.exitCode}`)
    await sleep(50)
  }
}

const note = (): string => join(folder, 'files', 'note.txt')
const entities = JSON.stringify([{ name: 'Ada', entityType: 'person', observations: ['counts'] }])
const call = (tool: string, ...pairs: readonly string[]): string[] => [
  '--method',
  'tools/call',
  '--tool-name',
  tool,
  ...pairs.flatMap(pair => ['--tool-arg', pair]),
]

interface Case {
  readonly server: string
  readonly command: () => readonly string[]
  readonly asks: () => readonly (readonly string[])[]
}

const cases: readonly Case[] = [
  {
    server: 'everything',
    command: () => [process.execPath, everything, 'stdio'],
    asks: () => [
      ['--method', 'tools/list'],
      ['--method', 'prompts/list'],
      ['--method', 'resources/list'],
      call('echo', 'message=good day'),
      call('get-sum', 'a=2', 'b=three'),
    ],
  },
  {
    server: 'filesystem',
    command: () => [process.execPath, serverProgram('filesystem'), join(folder, 'files')],
    asks: () => [
      ['--method', 'tools/list'],
      call('read_text_file', `path=${note()}`),
      call('read_text_file', 'path=/nowhere'),
    ],
  },
  {
    server: 'memory',
    command: () => [process.execPath, serverProgram('memory')],
    asks: () => [
      ['--method', 'tools/list'],
      call('create_entities', `entities=${entities}`),
      call('read_graph'),
    ],
  },
]

describeLanes(['inspector'], 'the MCP inspector', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-inspector-'))
    await mkdir(join(folder, 'files'))
    await writeFile(note(), 'a line\n')
  })
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  test.each(cases)('shows the same of server-$server under wrap', async ({ command, asks }) => {
    for (const ask of asks()) {
      await rm(join(folder, 'memory.jsonl'), { force: true })
      const direct = await inspect(command(), ask)
      await rm(join(folder, 'memory.jsonl'), { force: true })
      expect(await inspect(wrapped(command()), ask)).toEqual(direct)
      expect(JSON.stringify(direct).length).toBeGreaterThan(30)
    }
    expect(existsSync(join(folder, 'home', 'spool'))).toBe(true)
  })

  test('shows the same of server-everything through the proxy', async () => {
    const [port, front] = [await freePort(), await freePort()]
    await serve([everything, 'streamableHttp'], port, { PORT: String(port) })
    const upstream = `http://127.0.0.1:${port}/mcp`
    const args = [muniment, 'proxy', '--upstream', upstream, '--listen', `127.0.0.1:${front}`]
    await serve(args, front, { MUNIMENT_HOME: join(folder, 'proxy'), MUNIMENT_INGEST_KEY: ingestKey })
    for (const ask of cases[0]?.asks() ?? []) {
      const direct = await inspect([upstream], ask)
      expect(await inspect([`http://127.0.0.1:${front}/mcp`], ask)).toEqual(direct)
    }
    expect(await readFile(note(), 'utf8')).toBe('a line\n')
  })
})
