// Who is called, and what is said: servers that nobody here wrote under `wrap`, and servers of both lines with `attach`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inherited } from '../lanes/environment.ts'
import { muniment, type Installation } from './installation.ts'
import { customer, letter, planted } from './planted.ts'
import { talkTo, type Ending, type Line, type Talk } from './talk.ts'

type Args = Readonly<Record<string, unknown>>

/** One server, the command that starts it observed, and the calls that are made to it. */
interface Scene {
  readonly server: string
  readonly command: readonly string[]
  readonly calls: readonly (readonly [tool: string, args?: Args])[]
}

/** One call that was made, as it must be recorded. */
export interface Made {
  readonly server: string
  readonly client: string
  readonly tool: string
  readonly outcome: Ending
}

const desk = fileURLToPath(import.meta.resolve('../fixtures/desk.ts'))

function wrapped(server: string, ...args: readonly string[]): readonly string[] {
  const program = fileURLToPath(import.meta.resolve(`@modelcontextprotocol/server-${server}/dist/index.js`))
  return [muniment, 'wrap', '--server-name', server, '--', process.execPath, program, ...args]
}

function filesystem(folder: string): Scene {
  const path = join(folder, 'customers.json')
  return {
    server: 'filesystem',
    command: wrapped('filesystem', folder),
    calls: [
      ['write_file', { path, content: JSON.stringify({ customers: [customer] }) }],
      ['read_text_file', { path }],
      ['read_text_file', { path: join(folder, `no-such-file-of-${planted.email}`) }],
      ['read_text_file', { path: `${folder}/../../../../../../etc/passwd` }],
    ],
  }
}

function memory(): Scene {
  const entity = { name: letter, entityType: 'customer', observations: [JSON.stringify(customer)] }
  return {
    server: 'memory',
    command: wrapped('memory'),
    calls: [
      ['create_entities', { entities: [entity] }],
      ['search_nodes', { query: 'customer' }],
      ['search_nodes', { query: "x' UNION SELECT password FROM users WHERE '1'='1" }],
    ],
  }
}

function everything(): Scene {
  return {
    server: 'everything',
    command: wrapped('everything', 'stdio'),
    calls: [
      ['echo', { message: letter }],
      ['get-sum', { a: 40, b: 2 }],
      ['no-such-tool', { ...customer }],
    ],
  }
}

function attached(line: Line): Scene {
  return {
    server: `desk-${line}`,
    command: [desk, line, JSON.stringify(customer), letter],
    calls: [['echo', { message: letter }], ['look_up'], ['fail'], ['no_such_tool', { ...customer }]],
  }
}

async function play(talk: Talk, { server, calls }: Scene, client: string): Promise<readonly Made[]> {
  const made: Made[] = []
  await talk.list()
  for (const [tool, args] of calls) made.push({ server, client, tool, outcome: await talk.call(tool, args) })
  return made
}

/** Calls every server with the clients of both lines, and tells what was called. */
export async function converse({ folder, interceptor }: Installation): Promise<readonly Made[]> {
  const made: Made[] = []
  for (const line of ['v1', 'v2'] as const) {
    const files = join(folder, `files-${line}`)
    mkdirSync(files)
    const env = inherited({ ...interceptor, MEMORY_FILE_PATH: join(files, 'memory.jsonl') })
    for (const scene of [filesystem(files), memory(), everything(), attached('v1'), attached('v2')]) {
      const talk = await talkTo(line, scene.command, env)
      made.push(...(await play(talk, scene, `client-${line}`)))
      await talk.close()
    }
  }
  return made
}
