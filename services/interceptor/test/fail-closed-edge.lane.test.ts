// The HTTP edge of a server that must see no request unrecorded, with and without a server object that records too.
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostOf } from '../src/host.ts'
import { observeExpress, observeFetch, observeListener } from '../src/http.ts'
import { attach, type AttachOptions } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import { makeCertificate } from './certificate.ts'
import { newClientV2, talkV2, type Talk } from './conversation.ts'
import { servers } from './edges.ts'
import { listen, post, talkRaw } from './http-lab.ts'
import { serverV2 } from './servers.ts'
import { lyingIn, openLab, story, type Lab } from './support.ts'

let lab: Lab
/** What is recorded on the disk at the moment at which the server's tool is asked. */
let recordedThen: string[][] = []
beforeEach(async () => {
  lab = await openLab()
  recordedThen = []
})
afterEach(async () => {
  await hostOf(readSettings(options())).close(2000)
  await lab[Symbol.asyncDispose]()
})

function options(more: AttachOptions = {}): AttachOptions {
  return { home: lab.home, onProblem: () => undefined, ...more }
}

function failClosed(deadlineMs: number, ...patterns: readonly string[]): AttachOptions {
  return options({ delivery: { failClosed: patterns, deadlineMs } })
}

/** A server whose tool looks what is recorded when it is asked. */
function watching(): ReturnType<typeof serverV2> {
  const server = serverV2()
  server.registerTool('pay', {}, async () => {
    recordedThen.push((await lyingIn(lab)).map(story))
    return { content: [] }
  })
  return server
}

async function blockDisk(): Promise<() => Promise<void>> {
  const spool = join(lab.home, 'spool')
  await rm(spool, { recursive: true, force: true, maxRetries: 10 })
  await writeFile(spool, 'in the way')
  return () => rm(spool)
}

function talk(url: URL): Promise<Talk> {
  return talkV2(newClientV2(), new StreamableHTTPClientTransport(url))
}

async function told(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'ok',
    (error: unknown) => String(error),
  )
}

const ways: readonly (readonly [how: string, isAttached: boolean])[] = [
  ['alone', false],
  ['before an attached server that fails closed too', true],
]

describe.each(servers)('%s', (_, serve) => {
  test.each(ways)(
    '%s lets a request in once it is recorded; its two events name one call',
    async (...[, isAttached]) => {
      const delivery = failClosed(9000, 'pay', 'initialize:*')
      const make = (): ReturnType<typeof serverV2> => (isAttached ? attach(watching(), delivery) : watching())
      await using server = await serve(make, delivery)
      const client = await talk(server.url)
      await client.call('pay')
      await client.call('echo', { text: 'hi' })
      await client.close()
      await server[Symbol.asyncDispose]()
      await hostOf(readSettings(delivery)).close(2000)
      const all = await lab.collect()
      expect(recordedThen[0]).toContain('begun tools/call pay')
      for (const method of ['initialize', 'tools/call']) {
        const about = all.map(({ observation }) => observation).filter(one => one.method === method)
        const [begun, ...others] = about.filter(({ kind }) => kind === 'begun')
        expect(others).toEqual([])
        const ends = about.filter(({ kind, rpc_id: id }) => kind !== 'begun' && id === begun?.rpc_id)
        expect(ends.map(one => [one.channel_id, one.outcome])).toEqual([[begun?.channel_id, 'ok']])
      }
    },
  )

  test.each(ways)('%s lets none in that cannot be recorded, and all others', async (...[, isAttached]) => {
    const mend = await blockDisk()
    const delivery = failClosed(150, 'pay')
    const make = (): ReturnType<typeof serverV2> => (isAttached ? attach(watching(), delivery) : watching())
    await using server = await serve(make, delivery)
    const client = await talk(server.url)
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => told(client.call('pay'))))
    for (const outcome of outcomes) expect(outcome).toContain('SERVICE_ERROR')
    expect(await told(client.call('echo', { text: 'hi' }))).toBe('ok')
    expect(recordedThen).toEqual([])
    await mend()
    await expect.poll(() => told(client.call('pay')), { timeout: 20_000, interval: 200 }).toBe('ok')
    expect(recordedThen).toHaveLength(1)
    await client.close()
    await server[Symbol.asyncDispose]()
    await hostOf(readSettings(delivery)).close(5000)
    const stories = (await lab.collect()).map(story).filter(line => line.includes('tools/call pay'))
    expect(
      stories.filter(line => line.startsWith('call') && line.includes('denied')).length,
    ).toBeGreaterThanOrEqual(4)
    expect(stories.filter(line => line.endsWith('pay ok'))).toHaveLength(1)
  })
})

test('beside a bus that takes all and answers nothing, none hangs past the deadline, and none gets in', async () => {
  const certificate = await makeCertificate(lab.home, 'bus')
  const bus = createServer({ ...certificate }, () => undefined)
  await once(bus.listen(0, '127.0.0.1'), 'listening')
  const address = bus.address()
  const device = { name: 'laptop', key: 'k', ca: certificate.cert }
  const url = `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const mend = await blockDisk()
  const delivery = { ...failClosed(200, '*'), bus: url, device }
  let reached = 0
  await using server = await listen(
    observeListener((_request, response) => void ((reached += 1), response.end()), delivery),
  )
  const init = post({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'pay' } })
  const answers = await Promise.all(Array.from({ length: 8 }, () => fetch(server.url, init)))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 500))
  expect(await answers[0]?.json()).toMatchObject({ id: 7, error: { message: 'SERVICE_ERROR' } })
  expect(reached).toBe(0)
  bus.closeAllConnections()
  bus.close()
  await mend()
  await hostOf(readSettings(delivery)).close(100)
})

const pay = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay"}}'
const other = '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"other"}}'
const kinds: readonly ('node' | 'fetch')[] = ['node', 'fetch']

/** A server that keeps the bytes of every body it is given. */
async function keeping(
  kind: 'node' | 'fetch',
  given: AttachOptions,
  seen: string[],
): Promise<Awaited<ReturnType<typeof listen>>> {
  if (kind === 'node')
    return await listen(
      observeListener((request, response) => {
        const parts: Buffer[] = []
        request.on('data', (part: Buffer) => parts.push(part))
        request.on('end', () => {
          seen.push(`${request.method} ${Buffer.concat(parts).toString('latin1')}`)
          response.end('{}')
        })
      }, given),
    )
  const { getRequestListener } = await import('@hono/node-server')
  const handler = async (request: Request): Promise<Response> => {
    seen.push(`${request.method} ${Buffer.from(await request.arrayBuffer()).toString('latin1')}`)
    return new Response('{}')
  }
  return await listen(getRequestListener(observeFetch(handler, given)))
}

describe.each(kinds)('what could be read otherwise than it was recorded, over %s', kind => {
  test.each<readonly [what: string, init: RequestInit, status: number]>([
    ['a compressed body', { ...post(''), headers: { 'content-encoding': 'gzip' }, body: gzipSync(pay) }, 415],
    [
      'another charset',
      { ...post(pay), headers: { 'content-type': 'application/json; charset=utf-16' } },
      415,
    ],
    ['two equal keys', post(pay.replace('"name"', '"name":"other","name"')), 400],
    ['another spelling', post(pay.replace('"method"', '"Method"')), 400],
    ['no JSON', post('pay, please'), 400],
    ['a batch, one of which cannot be recorded', post(`[${other},${pay}]`), 500],
    ['another method with a body', { method: 'PUT', body: pay }, 405],
    ['more than can be recorded whole', post(`{"jsonrpc":"2.0","x":"${'x'.repeat(25 * 1024 * 1024)}"}`), 413],
  ])('does not get in: %s', async (...[, init, status]) => {
    const mend = await blockDisk()
    const seen: string[] = []
    await using server = await keeping(kind, failClosed(100, 'pay'), seen)
    const response = await fetch(server.url, init)
    await response.text()
    expect(response.status).toBe(status)
    expect(seen).toEqual([])
    await mend()
  })

  test('a body with a GET does not get in', async () => {
    const seen: string[] = []
    await using server = await keeping(kind, failClosed(100, '*'), seen)
    const head = `GET /mcp HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${pay.length}\r\n\r\n${pay}`
    await talkRaw(server.port, head, '\r\n\r\n')
    expect(seen.join('')).not.toContain('pay')
  })

  test('what gets in is byte for byte what came, in whatever pieces', async () => {
    const seen: string[] = []
    const odd = ` {"jsonrpc":"2.0" , "id":1.0,"method":"tools/call","params":{"name":"pay","arguments":{"n":1e400,"s":"\\ud800é"}}}\r\n`
    const bytes = Buffer.from(odd)
    await using server = await keeping(kind, failClosed(9000, '*'), seen)
    for (const at of [0, 1, 40, bytes.length - 3]) {
      const socket = (await import('node:net')).connect(server.port, '127.0.0.1')
      socket.write(
        `POST /mcp HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      )
      socket.write(bytes.subarray(0, at))
      await new Promise(resolve => setImmediate(resolve))
      socket.write(bytes.subarray(at))
      for await (const _ of socket);
    }
    expect(seen).toEqual(Array.from({ length: 4 }, () => `POST ${bytes.toString('latin1')}`))
  })
})

test('a body that was read before the edge could look at it does not get in', async () => {
  const express = (await import('express')).default
  const app = express()
  let reached = 0
  app.use((request, _response, next) => {
    request.resume()
    request.once('end', next)
  })
  app.use(observeExpress(failClosed(1000, '*')))
  app.post('/mcp', (_request, response) => void ((reached += 1), response.end()))
  await using server = await listen(app)
  const response = await fetch(server.url, post(pay))
  expect([response.status, reached]).toEqual([413, 0])
})

test('a body that a parser has read before is recorded as what the server gets of it', async () => {
  const express = (await import('express')).default
  const app = express()
  let then: string[] = []
  app.use(express.json())
  app.use(observeExpress(failClosed(9000, 'pay')))
  app.post('/mcp', (request, response) => {
    const look = async (): Promise<void> => {
      then = (await lyingIn(lab)).map(story)
      response.json({ jsonrpc: '2.0', id: request.body.id, result: {} })
    }
    void look()
  })
  await using server = await listen(app)
  const response = await fetch(server.url, post(pay))
  expect(response.status).toBe(200)
  expect(then).toContain('begun tools/call pay')
})

test('two doors given the same options each ask for what is theirs: the server object still waits', async () => {
  const delivery = failClosed(100, 'pay')
  observeListener(() => undefined, delivery)
  const mend = await blockDisk()
  const { InMemoryTransport } = await import('@modelcontextprotocol/client')
  const [near, far] = InMemoryTransport.createLinkedPair()
  await attach(watching(), delivery).connect(far)
  const client = await talkV2(newClientV2(), near)
  expect(await told(client.call('pay'))).toContain('SERVICE_ERROR')
  expect(recordedThen).toEqual([])
  await client.close()
  await mend()
})
