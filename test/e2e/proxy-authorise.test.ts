import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { sessions } from '../../services/interceptor/test/http-servers.ts'
import { inherited } from '../lanes/environment.ts'

// `muniment proxy` as its user starts it, with rules of who may do what, in front of a server that has none.

const muniment = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))
const rules = 'anonymous: viewer\nneeds:\n  read: { tools: [echo] }\n  admin: { tools: [fail] }\n'
const section = (file: string): string => `guard:\n  authorise: ${file}\n`

const serve = sessions()
const upstream = createServer((request, response) => void serve(request, response))
let folder = ''
const started: ChildProcess[] = []

beforeAll(async () => {
  await once(upstream.listen(0, '127.0.0.1'), 'listening')
  folder = await mkdtemp(join(tmpdir(), 'muniment-authorise-'))
  await writeFile(join(folder, 'rules.yaml'), rules)
})
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await rm(join(folder, 'muniment.yaml'), { force: true })
})
afterAll(async () => {
  upstream.closeAllConnections()
  upstream.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

function proxy(...args: readonly string[]) {
  const address = upstream.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const all = [
    'proxy',
    '--upstream',
    `http://127.0.0.1:${port}/mcp`,
    '--listen',
    '127.0.0.1:0',
    '--json',
    ...args,
  ]
  const child = spawn(process.execPath, [muniment, ...all], {
    cwd: folder,
    env: inherited({ MUNIMENT_HOME: join(folder, 'home') }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  return child
}

async function addressOf(child: ReturnType<typeof proxy>): Promise<URL> {
  const [line] = await once(child.stdout, 'data')
  const told: unknown = JSON.parse(String(line))
  const url = typeof told === 'object' && told !== null ? String(Reflect.get(told, 'url')) : ''
  return new URL('/mcp', url)
}

test.each([
  ['the option --authorise', ['--authorise', 'rules.yaml'], undefined],
  ['guard.authorise of muniment.yaml', [], section('rules.yaml')],
])('%s hides what a caller may not use, and refuses it when it is called directly', async (_, args, yaml) => {
  if (yaml !== undefined) await writeFile(join(folder, 'muniment.yaml'), yaml)
  const url = await addressOf(proxy(...args))
  const client = new Client({ name: 'visitor', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(url))
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toEqual(['echo'])
  expect(JSON.stringify(await client.callTool({ name: 'echo', arguments: { text: 'hello' } }))).toContain(
    'hello',
  )
  await expect(client.callTool({ name: 'fail', arguments: {} })).rejects.toThrow('ACCESS_DENIED')
  await client.close()
})

test.each([
  { what: 'a file that is not there', args: [], yaml: section('none.yaml'), named: 'none.yaml' },
  {
    what: 'rules in two places',
    args: ['--authorise', 'rules.yaml'],
    yaml: section('rules.yaml'),
    named: 'guard.authorise',
  },
  {
    what: 'a setting that there is not',
    args: [],
    yaml: 'guard:\n  authorize: rules.yaml\n',
    named: 'guard.authorize',
  },
])('$what stops the start and is named', async ({ args, yaml, named }) => {
  await writeFile(join(folder, 'muniment.yaml'), yaml)
  const child = proxy(...args)
  const [said] = await Promise.all([text(child.stderr), once(child, 'exit')])
  expect(child.exitCode).toBe(2)
  expect(said).toContain(named)
})
