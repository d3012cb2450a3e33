import { request } from 'node:http'
import { verifyArchive } from '@muniment/archive'
import { createLogger } from '@muniment/runtime'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createConsole, createQueryService } from '../src/index.ts'
import { createWorld, eventRecord, idOf, startMs, type World } from './world.ts'

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

let world: World
let address: URL
let running: Promise<void>
const stop = new AbortController()

beforeAll(async () => {
  world = await createWorld()
  await world.bus.publish(
    topic.events,
    [0, 1, 2, 3].map(seq => eventRecord({ seq, principal: '<b>mallory</b>' })),
  )
  await world.archive(topic.events, 3)
  const ready = Promise.withResolvers<string>()
  const { store, keys, engine } = world
  const task = createConsole({
    service: createQueryService({
      engine,
      store,
      verify: signal => verifyArchive({ store, keys: keys.segmentKeys, signal }),
      now: Date.now,
    }),
    log: createLogger({ name: 'test', level: 'silent' }),
    port: 0,
    onReady: ready.resolve,
    nowMs: () => startMs + 60_000,
  })
  running = task.run(stop.signal)
  address = new URL(await ready.promise)
})

afterAll(async () => {
  stop.abort()
  await running
  await world[Symbol.asyncDispose]()
})

function token(): string {
  return new URLSearchParams(address.hash.slice(1)).get('token') ?? ''
}

interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

function ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Reply> {
  const sent = { authorization: `Bearer ${token()}`, ...headers }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port: address.port, path, method, headers: sent },
      response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

test('the page and its files come without a token, with a policy that runs nothing else', async () => {
  for (const path of ['/', '/palette.css', '/style.css', '/app.js', '/dom.js', '/drawer.js']) {
    const { status, headers } = await ask(path, { headers: { authorization: '' } })
    expect(status).toBe(200)
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/u)
    expect(headers['cache-control']).toBe('no-store')
  }
  const { body } = await ask('/')
  expect(body).not.toMatch(/<script(?![^>]*src="\/)|style=|https?:|onclick/u)
})

test.each([
  { what: 'without a token', path: '/api/calls', headers: { authorization: '' }, status: 401 },
  {
    what: 'with a wrong token',
    path: '/api/calls',
    headers: { authorization: 'Bearer nonsense' },
    status: 401,
  },
  {
    what: 'under a name bent to this machine',
    path: '/api/calls',
    headers: { host: 'evil.example' },
    status: 403,
  },
  { what: 'for the page under such a name', path: '/', headers: { host: 'evil.example:80' }, status: 403 },
  { what: 'from another site', path: '/api/calls', headers: { origin: 'https://evil.example' }, status: 403 },
  {
    what: 'from a frame elsewhere',
    path: '/api/calls',
    headers: { 'sec-fetch-site': 'cross-site' },
    status: 403,
  },
])('nothing is answered $what', async ({ path, headers, status }) => {
  expect((await ask(path, { headers })).status).toBe(status)
})

test('recent calls come newest first, waiting ones marked', async () => {
  const { status, body } = await ask('/api/calls?hours=1&limit=2')
  expect(status).toBe(200)
  const { rows }: { rows: readonly { id: string; archived: boolean }[] } = JSON.parse(body)
  expect(rows.map(({ id, archived }) => [id, archived])).toEqual([
    [idOf(3), false],
    [idOf(2), true],
  ])
})

test('one record comes with its evidence; an unknown one is not found', async () => {
  const found = await ask(`/api/records/${idOf(1)}`)
  expect(JSON.parse(found.body)).toMatchObject({
    topic: topic.events,
    record: { id: idOf(1) },
    evidence: { row: 1, rows: 3 },
  })
  expect((await ask('/api/records/nothing')).status).toBe(404)
})

test('SQL is answered, refused SQL explained', async () => {
  const good = await ask('/api/query', {
    method: 'POST',
    body: JSON.stringify({ sql: 'SELECT count(*) AS n FROM events' }),
  })
  expect(JSON.parse(good.body)).toMatchObject({ columns: ['n'], rows: [[4]] })
  const bad = await ask('/api/query', { method: 'POST', body: JSON.stringify({ sql: 'DROP TABLE events' }) })
  expect([bad.status, JSON.parse(bad.body)]).toMatchObject([400, { error: { code: 'QUERY_INVALID' } }])
})

test('summary, alerts and verification are answered', async () => {
  const summary = await ask('/api/summary?hours=1')
  expect(JSON.parse(summary.body)).toMatchObject({
    groups: expect.arrayContaining([expect.objectContaining({ kind: 'call' })]),
  })
  expect(JSON.parse((await ask('/api/alerts')).body)).toMatchObject({ rows: [] })
  expect(JSON.parse((await ask('/api/verify')).body)).toMatchObject({ checked: { records: 3 } })
})

test.each([
  { what: 'an unknown path', path: '/api/nothing', status: 404 },
  { what: 'writing', path: '/api/calls', method: 'DELETE', status: 404 },
  { what: 'a number out of bounds', path: '/api/calls?hours=1e9', status: 400 },
  { what: 'a body that is no JSON', path: '/api/query', method: 'POST', body: '{', status: 400 },
  { what: 'a body without SQL', path: '/api/query', method: 'POST', body: '{}', status: 400 },
  {
    what: 'a body that is too large',
    path: '/api/query',
    method: 'POST',
    body: 'x'.repeat(70_000),
    status: 413,
  },
  { what: 'a path that cannot be decoded', path: '/api/records/%E0%A4%A', status: 400 },
])('$what is refused', async ({ path, status, ...asked }) => {
  expect((await ask(path, asked)).status).toBe(status)
})
