import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApiKeyAdmin, openAuthFiles } from '@muniment/auth'
import { startProxy } from '@muniment/interceptor/proxy'
import { readConfig } from '@muniment/runtime'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { authenticationOf } from '../src/authenticate.ts'

const minuteMs = 60_000

let home: string
let upstream: Server

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-authenticate-'))
  upstream = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(async () => {
  vi.useRealTimers()
  upstream.closeAllConnections()
  upstream.close()
  await rm(home, { recursive: true, maxRetries: 10 })
})

function upstreamUrl(): URL {
  const address = upstream.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return new URL(`http://127.0.0.1:${address.port}/mcp`)
}

/** What two uses of a session are answered with, so many minutes apart. */
async function uses(guard: string, minutes: number): Promise<readonly number[]> {
  const config = readConfig({ env: { MUNIMENT_HOME: home }, yaml: `auth: { api_keys: {} }\n${guard}` })
  const admin = createApiKeyAdmin({ ...openAuthFiles(home), now: Date.now, randomBytes })
  const { key } = await admin.create({ name: 'ci', tenant: 'default', scopes: [] })
  const options = { home, onProblem: () => undefined, routes: [{ upstream: upstreamUrl() }] }
  const proxy = await startProxy({ ...options, guard: await authenticationOf(config, options) })
  const use = async (): Promise<number> => {
    const headers = { authorization: `Bearer ${key}`, 'mcp-session-id': 'one' }
    const answer = await fetch(new URL('/mcp', proxy.url), { headers })
    await answer.text()
    return answer.status
  }
  const first = await use()
  vi.setSystemTime(Date.now() + minutes * minuteMs)
  const second = await use()
  await proxy.close(0)
  return [first, second]
}

test('a session is over when it was not used for half an hour, unless guard.sessions says how long it holds', async () => {
  expect(await uses('', 29)).toEqual([200, 200])
  expect(await uses('', 31)).toEqual([200, 404])
  expect(await uses('guard: { sessions: { idle_seconds: 86400 } }', 31)).toEqual([200, 200])
  expect(await uses('guard: { sessions: { absolute_seconds: 172800 } }', 24 * 60)).toEqual([200, 200])
})
