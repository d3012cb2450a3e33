import { createHash } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { openStore } from '@muniment/archive'
import { topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { createQueryEngine } from '../src/index.ts'
import { ask, createWorld, eventRecord, idOf, startMs, type World } from './world.ts'

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

async function publish(world: World, seqs: readonly number[], tenant = 'acme'): Promise<void> {
  await world.bus.publish(
    topic.events,
    seqs.map(seq => eventRecord({ seq, tenant })),
  )
}

const countAll = { sql: 'SELECT count(*), count(DISTINCT id), sum(archived::INT) FROM events' }

test('a query sees the archive and what is on the bus behind it, each row once', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 30))
  await world.archive(topic.events, 20)
  const { rows, figures } = await ask(world.engine, countAll)
  expect(rows).toEqual([[30, 30, 20]])
  expect(figures).toMatchObject({
    segmentsFetched: 1,
    tailRows: 10,
    isTailComplete: true,
    isTruncated: false,
    rows: 1,
  })
})

test('a record published twice is one row, whether its first copy is archived or not', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 20))
  await world.archive(topic.events, 10)
  await publish(world, range(0, 20))
  expect((await ask(world.engine, countAll)).rows).toEqual([[20, 20, 10]])
})

test('what is archived meanwhile moves from the tail into the archive', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 10))
  expect((await ask(world.engine, countAll)).rows).toEqual([[10, 10, 0]])
  await world.archive()
  expect((await ask(world.engine, countAll)).rows).toEqual([[10, 10, 10]])
})

test('without a bus, or when asked so, only archived rows are seen', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 10))
  await world.archive(topic.events, 4)
  expect((await ask(world.engine, { ...countAll, tail: false })).rows).toEqual([[4, 4, 4]])
})

test('rows in the tail have the same values as when they are archived', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 3))
  const everything = { sql: 'SELECT * EXCLUDE (archived) FROM events ORDER BY time' }
  const waiting = await ask(world.engine, everything)
  await world.archive()
  const archived = await ask(world.engine, everything)
  expect(archived.rows).toEqual(waiting.rows)
  expect(archived.columns).toEqual(waiting.columns)
})

test('many small tenants of one cut are read with one request', async () => {
  await using world = await createWorld()
  await world.bus.publish(
    topic.events,
    range(0, 60).map(seq => eventRecord({ seq, tenant: `t${seq % 30}` })),
  )
  await world.archive()
  const { rows, figures } = await ask(world.engine, {
    sql: 'SELECT count(*), count(DISTINCT tenant) FROM events',
  })
  expect(rows).toEqual([[60, 30]])
  expect(figures).toMatchObject({ segmentsFetched: 30, requests: 1 })
})

test.each([
  ['SQL', { sql: 'SELECT DISTINCT tenant FROM events ORDER BY 1' }],
  [
    'a condition on another tenant',
    { sql: `SELECT DISTINCT tenant FROM events WHERE tenant <> 'acme' ORDER BY 1` },
  ],
])('%s reaches the rows of the named tenants only', async (_, request) => {
  await using world = await createWorld()
  const tenants = ['acme', 'bmce', 'chem']
  await world.bus.publish(
    topic.events,
    range(0, 30).map(seq => eventRecord({ seq, tenant: tenants[seq % 3] ?? '' })),
  )
  await world.archive(topic.events, 15)
  const { rows } = await ask(world.engine, { ...request, tenants: ['bmce'] })
  expect(rows).toEqual([['bmce']])
})

test('a tenant that may not be seen stays unseen when asked for by name', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 5))
  await world.archive(topic.events, 3)
  const request = { sql: `SELECT count(*) FROM events WHERE tenant = 'acme'`, tenants: ['bmce'] }
  expect((await ask(world.engine, request)).rows).toEqual([[0]])
})

test.each([
  ['since', { sinceMs: startMs + 15_000 }, range(15, 20)],
  ['until', { untilMs: startMs + 2000 }, [0, 1, 2]],
  ['target', { target: 'rm' }, [3]],
  ['outcome', { outcome: 'denied' }, [3]],
  ['principal', { principal: "o'brien" }, [3]],
  ['pii', { pii: 'EMAIL', untilMs: startMs + 3000 }, [0, 2]],
])('the filter %s selects its rows, newest first', async (_, filters, expected) => {
  await using world = await createWorld()
  const odd = { target: 'rm', outcome: 'denied', principal: "o'brien" }
  await world.bus.publish(
    topic.events,
    range(0, 20).map(seq => eventRecord({ seq, ...(seq === 3 ? odd : {}) })),
  )
  await world.archive(topic.events, 18)
  const { columns, rows } = await ask(world.engine, { filters })
  expect(rows.map(row => row[columns.indexOf('id')])).toEqual(expected.toReversed().map(idOf))
})

test('the newest rows come from the newest segments; older ones are opened only where those do not suffice', async () => {
  await using world = await createWorld()
  for (const part of range(0, 5)) {
    await world.bus.publish(
      topic.events,
      range(part * 1000, part * 1000 + 1000).map(seq =>
        eventRecord({
          seq,
          timeMs: startMs + (seq + part * 100) * 1000,
          ...(seq === 5 ? { target: 'rare' } : {}),
        }),
      ),
    )
    await world.archive()
  }
  const newest = await ask(world.engine, { filters: {}, limit: 3 })
  expect(newest.rows.map(row => row[newest.columns.indexOf('id')])).toEqual([4999, 4998, 4997].map(idOf))
  expect(newest.figures.segmentsFetched).toBe(4)
  const rare = await ask(world.engine, { filters: { target: 'rare' }, limit: 3 })
  expect(rare.rows.length).toBe(1)
  expect(rare.figures).toMatchObject({ segmentsFetched: 1, segmentsSpared: 4 })
})

const strangeNames = ['alice', "o'brien", 'a\nb', 'tab\there', 'back\\slash', '😀', 'ü', ' ', 'x'.repeat(300)]

test('segments whose filters rule out what is asked for are not opened, and no row is missed for it', async () => {
  await using world = await createWorld()
  for (const [seq, principal] of strangeNames.entries()) {
    await world.bus.publish(topic.events, [eventRecord({ seq, principal, target: `tool ${seq}` })])
    await world.archive()
  }
  for (const [seq, principal] of strangeNames.entries()) {
    const text = `'${principal.replaceAll("'", "''")}'`
    const sql = `SELECT id FROM events WHERE principal_id = ${text} AND target = 'tool ${seq}'`
    expect((await ask(world.engine, { sql })).rows).toEqual([[idOf(seq)]])
  }
  const { figures } = await ask(world.engine, { filters: { principal: 'alice' } })
  expect(figures.segmentsSpared).toBeGreaterThan(strangeNames.length / 2)
  const even = await ask(world.engine, { filters: { pii: 'EMAIL' } })
  expect(even.figures).toMatchObject({ segmentsFetched: 5, segmentsSpared: 4 })
  const either = { sql: `SELECT count(*) FROM events WHERE principal_id = 'alice' OR target = 'tool 3'` }
  expect(await ask(world.engine, either)).toMatchObject({ rows: [[2]], figures: { segmentsSpared: 0 } })
})

test('a filter spares nobody who is erased from being counted as such', async () => {
  await using world = await createWorld()
  await world.bus.publish(topic.events, [eventRecord({ seq: 0, principal: 'alice' })])
  await world.archive()
  await using erased = await world.erase('acme')
  const { figures } = await ask(erased, { filters: { principal: 'bob' } })
  expect(figures).toMatchObject({ segmentsErased: 1, segmentsSpared: 0 })
})

test.each([
  `id = 'x'' AND time>=''2030-01-01 00:00:00+00''::TIMESTAMP WITH TIME ZONE'`,
  `target = 'tenant=''nobody'''`,
  `NOT (time >= '2030-01-01')`,
  `time < '2030-01-01' OR time > '2031-01-01'`,
  `(time >= '2030-01-01') IS NOT TRUE`,
  `coalesce(time, now()) < '2030-01-01'`,
  `target <> 'nothing' AND time BETWEEN '2026-11-21 08:00:00' AND '2026-11-21 08:00:09'`,
  `time = '2026-11-21 10:00:03+02'`,
  `time::VARCHAR LIKE '2026%'`,
])('pruning does not change the answer: %s', async condition => {
  await using world = await createWorld()
  await world.bus.publish(
    topic.events,
    range(0, 10).map(seq => eventRecord({ seq, ...(seq === 4 ? { target: "tenant='nobody'" } : {}) })),
  )
  const count = { sql: `SELECT count(*) FROM events WHERE ${condition}` }
  const waiting = await ask(world.engine, count)
  await world.archive(topic.events, 3)
  await world.archive(topic.events, 7)
  await world.archive()
  expect((await ask(world.engine, count)).rows).toEqual(waiting.rows)
})

test('a filter that the view does not have is named', async () => {
  await using world = await createWorld()
  await expect(ask(world.engine, { filters: { view: 'alerts', outcome: 'ok' } })).rejects.toMatchObject({
    code: 'QUERY_INVALID',
    message: 'The view alerts cannot be filtered by outcome.',
  })
})

test('conditions on time and tenant leave out whole segments', async () => {
  await using world = await createWorld()
  const hour = 3_600_000
  for (const at of range(0, 5)) {
    await world.bus.publish(topic.events, [eventRecord({ seq: at, timeMs: startMs + at * hour })])
    await world.archive()
  }
  const late = new Date(startMs + 3 * hour).toISOString()
  const { rows, figures } = await ask(world.engine, {
    sql: `SELECT count(*) FROM events WHERE time >= '${late}'`,
  })
  expect(rows).toEqual([[2]])
  expect(figures).toMatchObject({ segments: 5, segmentsFetched: 2 })
})

test('the view audit has exactly its seven columns and its values', async () => {
  await using world = await createWorld()
  await world.bus.publish(topic.events, [eventRecord({ seq: 0, principal: 'alice' })])
  await world.archive()
  const { columns, rows } = await ask(world.engine, { sql: 'SELECT * FROM audit' })
  expect(columns).toEqual([
    'timestamp',
    'operation',
    'user_id',
    'resource',
    'success',
    'details',
    'session_id',
  ])
  const [timestamp, operation, user, resource, success, details, session] = rows[0] ?? []
  expect([timestamp, operation, user, resource, success, session]).toEqual([
    '2026-11-21T08:00:00Z',
    'tools/call',
    'alice',
    'search',
    true,
    's1',
  ])
  expect(JSON.parse(typeof details === 'string' ? details : '')).toMatchObject({
    event_id: idOf(0),
    outcome: 'ok',
    pii_types: 'EMAIL',
  })
})

test('a lost, broken or foreign catalogue is rebuilt from the manifests', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 10))
  await world.archive()
  const fresh = async (): Promise<{ readonly rows: unknown }> => {
    const { store, keys, cachePath } = world
    await using engine = createQueryEngine({ store, keys: keys.segmentKeys, cachePath })
    return await ask(engine, countAll)
  }
  expect((await fresh()).rows).toEqual([[10, 10, 10]])
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${world.cachePath}${suffix}`, { force: true })
  expect((await fresh()).rows).toEqual([[10, 10, 10]])
  writeFileSync(world.cachePath, 'not a database, but long enough to look like one to somebody in a hurry')
  expect((await fresh()).rows).toEqual([[10, 10, 10]])
  const emptyStore = await openStore({ kind: 'memory' })
  const foreign = createQueryEngine({
    store: emptyStore,
    keys: world.keys.segmentKeys,
    cachePath: world.cachePath,
  })
  expect((await ask(foreign, { sql: 'SELECT count(*) FROM events' })).rows).toEqual([[0]])
  await foreign[Symbol.asyncDispose]()
})

test('one event is shown with its exact bytes and where its evidence is', async () => {
  await using world = await createWorld()
  const records = range(0, 10).map(seq => eventRecord({ seq }))
  await world.bus.publish(topic.events, records)
  await world.archive(topic.events, 8)
  const shown = await world.engine.show(idOf(5))
  expect(shown?.raw.equals(Buffer.from(records[5]?.value ?? []))).toBe(true)
  const leaf = createHash('sha256')
    .update(Buffer.of(0))
    .update(records[5]?.value ?? '')
    .digest('hex')
  expect(shown?.evidence).toMatchObject({ row: 5, rows: 8, leaf })
  expect(shown?.evidence?.manifest.key).toMatch(/^manifest\/v1\/mcp\.events\/0\/0{20}\.json$/u)
  expect(await world.engine.show(idOf(9))).toMatchObject({ tenant: 'acme', evidence: undefined })
  expect(await world.engine.show(idOf(77))).toBeUndefined()
  expect(await world.engine.show(idOf(5), { tenants: ['bmce'] })).toBeUndefined()
  expect(await world.engine.show(idOf(9), { tenants: ['bmce'] })).toBeUndefined()
})

test('what was erased is counted, the rest is answered', async () => {
  await using world = await createWorld()
  await world.bus.publish(
    topic.events,
    range(0, 10).map(seq => eventRecord({ seq, tenant: seq % 2 === 0 ? 'acme' : 'bmce' })),
  )
  await world.archive()
  await using engine = await world.erase('acme')
  const { rows, figures } = await ask(engine, countAll)
  expect(rows).toEqual([[5, 5, 5]])
  expect(figures.segmentsErased).toBe(1)
  expect(await engine.show(idOf(0))).toBeUndefined()
  expect(await engine.show(idOf(1))).toMatchObject({ tenant: 'bmce' })
})

test('more input than the limit is refused with the limit named', async () => {
  await using world = await createWorld({ limits: { maxInputBytes: 500 } })
  await publish(world, range(0, 50))
  await world.archive()
  await expect(ask(world.engine, { sql: 'SELECT raw FROM events' })).rejects.toMatchObject({
    code: 'QUERY_LIMIT',
  })
})

test('rows come as they are read, and leaving early ends the process', async () => {
  await using world = await createWorld()
  await publish(world, range(0, 50))
  await world.archive()
  const result = await world.engine.query({ sql: 'SELECT id FROM events' })
  for await (const row of result.rows) {
    expect(row.length).toBe(1)
    break
  }
  expect(result.figures().elapsedMs).toBeGreaterThan(0)
})

test('an aborted query ends with its reason', async () => {
  await using world = await createWorld()
  const cancel = new AbortController()
  const endless = ask(world.engine, {
    sql: 'SELECT count(*) FROM range(1000000000000) a WHERE hash(a.range) = 1',
    signal: cancel.signal,
  })
  setTimeout(() => cancel.abort(), 300)
  await expect(endless).rejects.toMatchObject({ code: 'QUERY_LIMIT', message: 'The query was cancelled.' })
})

test('a record whose body lies in an object of its own is whole in SQL and in show', async () => {
  await using world = await createWorld()
  const long = 'x'.repeat(300_000)
  const [small, large] = [eventRecord({ seq: 0 }), eventRecord({ seq: 1 })]
  const value = Buffer.from(
    Buffer.from(large.value).toString().replace('"content":[]', `"content":"${long}"`),
  )
  await world.bus.publish(topic.events, [small, { ...large, value }])
  await world.archive()
  const sql =
    "SELECT strlen(raw), json_extract_string(raw, '$.response.body.content') FROM events ORDER BY id"
  const { rows } = await ask(world.engine, { sql, tail: false })
  expect(rows).toEqual([
    [Buffer.from(small.value).length, '[]'],
    [value.length, long],
  ])
  const shown = await world.engine.show(idOf(1), {})
  expect(shown?.raw.equals(value)).toBe(true)
  expect(shown?.evidence?.leaf).toBe(createHash('sha256').update(Buffer.of(0)).update(value).digest('hex'))
})
