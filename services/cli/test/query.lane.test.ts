import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCutWriter, openStore } from '@muniment/archive'
import { openKeys, openSecrets } from '@muniment/keys'
import { topic } from '@muniment/schema'
import { openState } from '@muniment/state'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { takeActs } from './acts.ts'
import { muniment, type Ran } from './io.ts'

const id = '01a1fd6e-3a59-72f4-a250-f9a7a24357e4'

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-query-'))
  await run('keys', 'init')
  await archive()
})
afterAll(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

async function run(...args: string[]): Promise<Ran> {
  return await muniment(args, { env: { MUNIMENT_HOME: home } })
}

async function archive(): Promise<void> {
  const secrets = await openSecrets({ kind: 'file', dir: join(home, 'secrets') })
  const state = await openState({ kind: 'file', dir: join(home, 'state') })
  const { segmentKeys } = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 60_000 })
  await using store = await openStore({ kind: 'file', directory: join(home, 'archive') })
  const event = {
    id,
    time: '2026-11-20T08:00:00.000Z',
    tenant: 'acme',
    kind: 'call',
    outcome: 'ok',
    method: 'tools/call',
    target: 'search',
    server: { name: 'files' },
    pii: { findings: [], version: '1' },
    source: { instance: 'web-1', epoch: 1, seq: 0, version: '1' },
    nonce: '00',
  }
  const heartbeat = {
    id: '01a20000-0000-7000-8000-000000000000',
    time: '2026-11-19T08:00:00.000Z',
    tenant: 'acme',
    kind: 'heartbeat',
    source: { ...event.source, seq: 1 },
    nonce: '01',
  }
  const records = [event, heartbeat].map((record, offset) => ({
    offset,
    appendedMs: Date.now(),
    value: Buffer.from(JSON.stringify(record)),
  }))
  const cuts = createCutWriter({ store, keys: segmentKeys, now: Date.now, randomBytes })
  await cuts.write({ topic: topic.events, partition: 0, records, nextOffset: 2, previous: undefined })
}

describe('query', () => {
  test.each([
    ['ocsf', { class_uid: 6003, metadata: { uid: id } }],
    ['cloudevents', { specversion: '1.0', id }],
    ['otel-log', { resourceLogs: [{}] }],
  ])('--format %s prints one event a line', async (format, expected) => {
    const { stdout } = await run('query', '--format', format, '--server', 'files')
    expect(stdout.trim().split('\n')).toHaveLength(1)
    expect(JSON.parse(stdout)).toMatchObject(expected)
  })

  test('--format parquet prints a Parquet file', async () => {
    const { stdout } = await run('query', 'select id from events', '--format', 'parquet')
    expect([stdout.slice(0, 4), stdout.slice(-4)]).toEqual(['PAR1', 'PAR1'])
  })

  test('forms of whole events say what SQL must select', async () => {
    const { exitCode, stderr } = await run('query', 'select id from events', '--format', 'ocsf')
    expect(stderr).toContain('select raw from events')
    expect(exitCode).toBe(2)
  })

  test.each([
    [['--since', '2026-11-20'], 1],
    [['--since', '2026-11-20T08:00:00.001Z'], 0],
    [['--until', '2026-11-20T08:00Z'], 2],
    [['--until', '2026-11-20T08:00Z', '--kind', 'call'], 1],
    [['--since', '1s'], 0],
    [['--server', 'desk'], 0],
    [['--tenant', 'beta'], 0],
  ])('%j finds %i', async (filters, count) => {
    const { stdout } = await run('query', '--json', ...filters)
    expect(stdout.split('\n').filter(line => line !== '')).toHaveLength(count)
  })

  test.each([
    [[], false],
    [['--kind', 'heartbeat'], true],
    [['--format', 'csv'], true],
    [['--view', 'alerts'], false],
  ])(
    'a table leaves out heartbeats unless they are asked for; other forms do not: %j',
    async (filters, has) => {
      expect((await run('query', ...filters)).stdout.includes('heartbeat')).toBe(has)
    },
  )

  test('--explain tells segments, requests and bytes; --memory bounds what is read', async () => {
    expect((await run('query', '--explain')).stderr).toMatch(/1 of 1 segments, \d+ requests, [\d.]+ kB/u)
    expect((await run('query', '--since', 'yesterday')).stderr).toContain('a time like 2026-11-20T08:00Z')
    expect((await run('query', '--timeout', '1x')).exitCode).toBe(2)
  })

  test('Ctrl-C ends it at once', async () => {
    const stop = new AbortController()
    const slow = 'select count(*) from range(1000000000) a, range(1000000000) b'
    const running = muniment(['query', slow], { env: { MUNIMENT_HOME: home }, signal: stop.signal })
    stop.abort()
    expect((await running).stderr).toContain('cancelled')
  })

  test('every read is an event of its own: who, what, and whose', async () => {
    await takeActs(home)
    await run('query', '--tool', 'search', '--tenant', 'acme')
    await run('query', 'select 1')
    await run('show', id)
    expect(await takeActs(home)).toMatchObject([
      {
        tenant: 'muniment.admin',
        method: 'muniment/read.query',
        target: 'events',
        principal: { method: 'os_user' },
        details: { filters: { target: 'search' }, tenants: ['acme'] },
      },
      { method: 'muniment/read.query', target: 'sql', details: { sql: 'select 1', tenants: 'all' } },
      { method: 'muniment/read.show', target: id },
    ])
  })
})
