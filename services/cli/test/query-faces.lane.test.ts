import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { muniment } from './io.ts'

const program = fileURLToPath(new URL('../bin/muniment.mjs', import.meta.url))

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muniment-faces-'))
  await muniment(['keys', 'init'], { env: env() })
})
afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

function env(more: Record<string, string> = {}): Record<string, string> {
  return { MUNIMENT_HOME: join(folder, 'home'), ...more }
}

test('muniment mcp answers the official client on standard input and output, from an empty archive too', async () => {
  const client = new Client({ name: 'test', version: '1' })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [program, 'mcp', '--tenant', 'acme'],
    env: env(),
    cwd: folder,
    stderr: 'ignore',
  })
  await client.connect(transport)
  const { content } = await client.callTool({
    name: 'query_sql',
    arguments: { sql: 'SELECT count(*) AS n FROM events' },
  })
  expect(content).toMatchObject([{ type: 'text', text: expect.stringContaining('"rows":[{"n":0}]') }])
  await client.close()
})

test.each([
  { where: 'nobody is named who may read it', section: '{}', why: 'nothing says to whom' },
  {
    where: 'credentials would travel in the clear',
    listen: '0.0.0.0:0',
    section: 'auth: {api_keys: {}}',
    why: 'without TLS',
  },
  {
    where: 'the section is not understood',
    section: 'auth: {api_kees: {}}',
    why: 'Did you mean api_keys',
  },
])('the API is not served where $where', async ({ listen = '127.0.0.1:0', section, why }) => {
  await writeFile(join(folder, 'muniment.yaml'), section)
  const sources = env({ MUNIMENT_QUERY_LISTEN: listen, MUNIMENT_HTTP_PORT: '0' })
  const { status, stderr } = spawnSync(process.execPath, [program, 'run', 'query'], {
    env: sources,
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  })
  expect([status, stderr]).toEqual([2, expect.stringContaining(why)])
})
