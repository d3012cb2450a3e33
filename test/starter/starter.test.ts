import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../services/cli/src/program.ts'
import { muniment } from '../../services/cli/test/io.ts'
import { createAuthority } from '../../shared/auth/test/certificates.ts'
import { mutationsOf, type Mutation } from './mutations.ts'

// The starter with all its choices made: a mistake in any of its files either stops the start, or lets through nothing that it refuses.

const starter = fileURLToPath(new URL('../../infra/starter/', import.meta.url))
const before = process.cwd()
let folder = ''
let server: Server
let upstream = ''
const keys: Record<string, string> = {}

/** The rate is lowered so that a handful of calls reaches it, and the roots lie in the folder. */
function withChoices(file: string): string {
  return readFileSync(join(starter, file), 'utf8')
    .replaceAll(/^( *)#: /gmu, '$1')
    .replace(/^tls:\n(?: .*\n)+/mu, '')
    .replace('environment: production\n', '')
    .replace('amount: 60', 'amount: 4')
    .replace('[/srv/files]', `[${folder}/files]`)
}

const argument = { type: 'string' }
const tools = ['read_text_file', 'list_directory', 'search_files', 'write_file', 'move_file', 'nobodys'].map(
  name => ({
    name,
    inputSchema: {
      type: 'object',
      properties: { path: argument, query: argument, head: { type: 'integer' } },
      additionalProperties: false,
    },
  }),
)

/** What the server behind says: lists, a person's address, and how it fails. */
function answerTo(method: string, tool: string): object {
  if (method === 'tools/list') return { result: { tools } }
  if (tool === 'search_files') return { error: { code: -32_000, message: 'at /srv/app/secret.js:7' } }
  return { result: { content: [{ type: 'text', text: 'write to ada@example.org' }] } }
}

interface Asked {
  readonly id: number
  readonly method: string
  readonly params?: { readonly name?: string }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { id, method, params }: Asked = JSON.parse(await text(request))
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answerTo(method, params?.name ?? '') }))
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muniment-starter-'))
  cpSync(starter, folder, { recursive: true })
  mkdirSync(join(folder, 'files'))
  mkdirSync(join(folder, 'tls'))
  const authority = createAuthority(join(folder, 'ca'), 'clients')
  writeFileSync(join(folder, 'tls/clients-ca.pem'), authority.pem)
  writeFileSync(join(folder, 'tls/clients.crl'), authority.list())
  writeFileSync(join(folder, 'tls/introspection'), 'a secret of the issuer\n')
  process.chdir(folder)
  writeFileSync('muniment.yaml', withChoices('muniment.yaml'))
  for (const scope of ['mcp:read', 'mcp:write']) {
    const args = ['keys', 'api', 'create', scope.slice(4), '--scope', 'mcp:read', '--scope', scope, '--json']
    const made = await muniment(args)
    expect(made).toMatchObject({ exitCode: 0 })
    keys[scope] = String(JSON.parse(made.stdout).key)
  }
  server = createServer((request, response) => void serve(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  upstream = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`
})
afterAll(async () => {
  process.chdir(before)
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

interface Started {
  /** Absent where the start was refused. */
  readonly url?: URL
  readonly exitCode: () => Promise<number>
  readonly said: () => string
  readonly stop: () => void
}

function firstLine(): Writable & { readonly line: Promise<string> } {
  const { promise: line, resolve } = Promise.withResolvers<string>()
  const stream = new Writable({
    write: (chunk, _, done) => {
      resolve(String(chunk))
      done()
    },
  })
  return Object.assign(stream, { line })
}

/** Runs the command in the folder, until it can be called or has ended. */
async function start(): Promise<Started> {
  const [stdout, abort] = [firstLine(), new AbortController()]
  const said: string[] = []
  const stderr = new Writable({ write: (chunk, _, done) => (said.push(String(chunk)), done()) })
  const args = ['proxy', '--upstream', upstream, '--listen', '127.0.0.1:0', '--json']
  const io = { stdin: new PassThrough(), stdout, stderr, env: { MUNIMENT_DRAIN_TIMEOUT_MS: '0' } }
  const ended = run(args, { ...io, signal: abort.signal })
  const url = await Promise.race([stdout.line, ended.then(() => undefined)])
  return {
    ...(url !== undefined && { url: new URL('/mcp', String(JSON.parse(url).url)) }),
    exitCode: () => ended,
    said: () => said.join(''),
    stop: () => abort.abort(),
  }
}

interface Shown {
  readonly key?: string
  readonly session?: string
}
type Ask = (method: string, params?: object, shown?: Shown) => Promise<string>

function asking(url: URL): Ask {
  return async (method, params = {}, { key = keys['mcp:read'] ?? '', session } = {}) => {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'x-api-key': key,
      ...(session !== undefined && { 'mcp-session-id': session }),
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    return await (await fetch(url, { method: 'POST', headers, body })).text()
  }
}

function call(name: string, args: object = {}): readonly [string, object] {
  return ['tools/call', { name, arguments: args }]
}

interface Probe {
  /** What in the files refuses it: `file path`. */
  readonly by: string
  readonly isOpen: (ask: Ask) => Promise<boolean>
}

const passes = (answer: string): boolean => answer.includes('"result"')

/** Each is refused by one thing that the starter says, and by no other. */
const probes: Readonly<Record<string, Probe>> = {
  'a call without a key': {
    by: 'muniment.yaml auth.api_keys',
    isOpen: async ask => !(await ask(...call('list_directory'), { key: '' })).includes('AUTH_FAILED'),
  },
  'a tool that takes another role': {
    by: 'rules.yaml needs.write.tools',
    isOpen: async ask => passes(await ask(...call('write_file'))),
  },
  'a tool that nobody may use': {
    by: 'rules.yaml needs.read.tools',
    isOpen: async ask => passes(await ask(...call('nobodys'))),
  },
  'an argument that a policy forbids': {
    by: 'rules.yaml policies.files',
    isOpen: async ask =>
      passes(await ask(...call('read_text_file', { path: join(folder, 'files/a'), head: 5000 }))),
  },
  'a path beyond the roots': {
    by: 'muniment.yaml guard.validate.paths.roots',
    isOpen: async ask => passes(await ask(...call('read_text_file', { path: '/etc/hostname' }))),
  },
  'a payload': {
    by: 'muniment.yaml guard.validate.payloads',
    isOpen: async ask => passes(await ask(...call('list_directory', { query: "1' OR '1'='1' --" }))),
  },
  'a long text': {
    by: 'muniment.yaml guard.validate',
    isOpen: async ask => passes(await ask(...call('list_directory', { query: 'a'.repeat(10_001) }))),
  },
  'a parameter that the tool does not have': {
    by: 'muniment.yaml guard.validate',
    isOpen: async ask => passes(await ask(...call('list_directory', { more: 'a' }))),
  },
  'what a server says of its failure': {
    by: 'muniment.yaml guard.errors',
    isOpen: async ask => (await ask(...call('search_files'))).includes('secret'),
  },
  'a session that nobody was given': {
    by: 'muniment.yaml guard.sessions',
    isOpen: async ask => passes(await ask('tools/list', {}, { session: 'session-1' })),
  },
  'personal data': {
    by: 'muniment.yaml pii.before_llm',
    isOpen: async ask =>
      (await ask(...call('read_text_file', { path: join(folder, 'files/a') }))).includes('ada@'),
  },
  'many calls': {
    by: 'muniment.yaml guard.limit.requests.0.per',
    isOpen: async ask => {
      const answers: string[] = []
      for (let n = 0; n < 6; n++) answers.push(await ask(...call('list_directory')))
      return answers.every(passes)
    },
  },
}

/** What comes through; `undefined` where nothing was started. */
async function opened(): Promise<readonly string[] | undefined> {
  const started = await start()
  if (started.url === undefined) {
    expect(await started.exitCode(), started.said()).toBe(2)
    return undefined
  }
  try {
    const ask = asking(started.url)
    await ask('tools/list')
    const open: string[] = []
    for (const [name, { isOpen }] of Object.entries(probes)) if (await isOpen(ask)) open.push(name)
    return open
  } finally {
    started.stop()
    await started.exitCode()
  }
}

/** What may come through once something is no longer said: only what that alone refused. */
function excused(file: string, { without }: Mutation): readonly string[] {
  if (without === undefined) return []
  const place = `${file} ${without}`
  // Without the file of rules none of them is asked for.
  const isRules = file === 'muniment.yaml' && 'guard.authorise'.startsWith(without)
  return Object.keys(probes).filter(name => {
    const by = probes[name]?.by ?? ''
    return by === place || by.startsWith(`${place}.`) || (isRules && by.startsWith('rules.yaml'))
  })
}

test('as it is, with its choices made, it starts, and refuses what it is there to refuse', async () => {
  expect(await opened()).toEqual([])
})

describe.each(['muniment.yaml', 'rules.yaml'])('a mistake in %s', file => {
  test('stops the start, or lets nothing through', async () => {
    const whole = withChoices(file)
    const wrong: string[] = []
    let [refused, started] = [0, 0]
    for (const mutation of mutationsOf(whole)) {
      writeFileSync(file, mutation.text)
      const open = await opened()
      if (open === undefined) refused++
      else started++
      const excuses = excused(file, mutation)
      for (const name of open ?? []) if (!excuses.includes(name)) wrong.push(`${mutation.name}: ${name}`)
    }
    writeFileSync(file, whole)
    expect(wrong).toEqual([])
    expect(refused).toBeGreaterThan(started)
  }, 600_000)
})
