import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { isAppError } from '@muniment/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createProcessPool } from '../src/sandbox/processes.ts'
import { openSandbox, type SandboxQuery } from '../src/sandbox/sandbox.ts'
import type { Value } from '../src/sandbox/protocol.ts'
import { openSession } from '../src/sandbox/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'query-test-'))
const pool = createProcessPool({ keepsSpare: true, codeCache: join(folder, 'code') })
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
})

async function parquet(select: string): Promise<Uint8Array> {
  const path = join(folder, `${crypto.randomUUID()}.parquet`)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
  connection.closeSync()
  return readFileSync(path)
}

let events: Uint8Array
beforeAll(async () => {
  events =
    await parquet(`SELECT 'e' || i AS id, TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(i) AS "time", 'acme' AS tenant,
    'call' AS kind, CASE WHEN i % 10 = 0 THEN 'tool_error' ELSE 'ok' END AS outcome, 'tools/call' AS method, 'tool' || (i % 3) AS target,
    i::BIGINT AS partition_offset, encode('{"request":{"body":{"n":' || i || '}},"error":{"message":"no"}}') AS raw FROM range(1000) t(i)`)
})

const limits = { memoryMb: 256, threads: 1, maxRows: 5000, maxOutputBytes: 8_000_000, timeoutMs: 20_000 }

function query(sql: string, change: Partial<SandboxQuery> = {}): SandboxQuery {
  return { sql, limits, output: 'rows', signal: new AbortController().signal, ...change }
}

async function collect(rows: AsyncIterable<readonly Value[]>): Promise<readonly (readonly Value[])[]> {
  const all: (readonly Value[])[] = []
  for await (const row of rows) all.push(row)
  return all
}

interface Answer {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Value[])[]
  readonly isTruncated: boolean
}

async function ask(sql: string, change: Partial<SandboxQuery> = {}): Promise<Answer> {
  await using sandbox = openSandbox(pool.take(), query(sql, change))
  await sandbox.plan()
  await sandbox.feed({ table: 'base_events', file: 0, isArchived: true }, events)
  const result = await sandbox.run()
  const rows = await collect(result.rows)
  return { columns: result.columns.map(column => column.name), rows, isTruncated: result.end().isTruncated }
}

async function refusal(sql: string, change: Partial<SandboxQuery> = {}): Promise<string> {
  try {
    await ask(sql, change)
  } catch (error) {
    if (isAppError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'answered'
}

test('SQL over the view events answers with columns and rows; times are ISO 8601, whole numbers are numbers', async () => {
  const answer = await ask(
    `SELECT id, time, partition_offset, request->>'n' AS n, error_message, archived FROM events ORDER BY time LIMIT 1`,
  )
  expect(answer.columns).toEqual(['id', 'time', 'partition_offset', 'n', 'error_message', 'archived'])
  expect(answer.rows).toEqual([['e0', '2026-01-01T00:00:00Z', 0, '0', 'no', true]])
})

test('the view audit has exactly the seven classic columns', async () => {
  const answer = await ask('SELECT * FROM audit ORDER BY timestamp LIMIT 1')
  expect(answer.columns).toEqual([
    'timestamp',
    'operation',
    'user_id',
    'resource',
    'success',
    'details',
    'session_id',
  ])
  expect(answer.rows[0]?.slice(0, 5)).toEqual([
    '2026-01-01T00:00:00Z',
    'tools/call',
    'anonymous',
    'tool0',
    false,
  ])
})

test('columns that no file has are NULL, views without any file are empty', async () => {
  expect(
    (
      await ask(
        'SELECT count(trace_id), (SELECT count(*) FROM alerts), (SELECT count(*) FROM control) FROM events',
      )
    ).rows,
  ).toEqual([[0, 0, 0]])
})

test('the plan names the columns and conditions of each scan, those of filters too', async () => {
  await using sandbox = openSandbox(
    pool.take(),
    query(`SELECT target, count(*) FROM events WHERE time >= '2026-01-01' AND outcome = 'ok' GROUP BY 1`),
  )
  const scans = await sandbox.plan()
  expect(scans.map(scan => [scan.table, [...scan.columns].toSorted()])).toEqual([
    ['base_events', ['outcome', 'target', 'time']],
  ])
  expect(scans[0]?.filters).toContain("outcome='ok'")
})

test.each([
  ['a file', `SELECT * FROM read_text('/etc/passwd')`],
  ['the environment of a process', `SELECT * FROM read_text('/proc/self/environ')`],
  ['a way round the allowed folder', `SELECT * FROM read_text('/proc/self/fd/../environ')`],
  ['a list of files', `SELECT * FROM glob('/etc/*')`],
  ['a table named like a file', `SELECT * FROM '/etc/passwd.csv'`],
  ['the network', `SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')`],
  ['stored secrets', 'SELECT * FROM duckdb_secrets()'],
  ['COPY', `COPY (SELECT 1) TO '/tmp/muniment-leak'`],
  ['COPY into its own output', `COPY (SELECT 1) TO '/proc/self/fd/1'`],
  ['ATTACH', `ATTACH '/tmp/muniment-leak.db'`],
  ['INSTALL', 'INSTALL httpfs'],
  ['LOAD', `LOAD '/tmp/x.duckdb_extension'`],
  ['SET', 'SET enable_external_access=true'],
  ['PRAGMA', 'PRAGMA database_list'],
  ['CREATE', 'CREATE TABLE t AS SELECT 1'],
  ['two statements', 'SELECT 1; SELECT 2'],
  ['a hidden second statement', `SELECT 1; COPY (SELECT 1) TO '/tmp/muniment-leak'`],
  ['no statement', ''],
  ['parameters', 'SELECT ?'],
])('%s is refused', async (_, sql) => {
  using session = openSession(async () => {})
  const plan = {
    type: 'plan',
    output: 'rows',
    sql,
    limits,
  } as const
  const run = session
    .handle(plan, new Uint8Array())
    .then(() => session.handle({ type: 'run' }, new Uint8Array()))
  await expect(run).rejects.toThrow(/./u)
})

test('a refusal names neither files nor folders', async () => {
  expect(await refusal(`SELECT * FROM read_text('/proc/self/environ')`)).toMatch(
    /^QUERY_INVALID: (?!.*\/proc)/su,
  )
})

test('a wrong column is explained with the names there are', async () => {
  expect(await refusal('SELECT principle_id FROM events')).toMatch(
    /^QUERY_INVALID: Binder Error.*principal_id/su,
  )
})

test('rows above the limit are cut, and the answer says so', async () => {
  const answer = await ask('SELECT id FROM events', { limits: { ...limits, maxRows: 7 } })
  expect([answer.rows.length, answer.isTruncated]).toEqual([7, true])
})

test('output above the limit is cut, and the answer says so', async () => {
  const answer = await ask(`SELECT repeat('x', 10000) FROM events`, {
    limits: { ...limits, maxOutputBytes: 100_000 },
  })
  expect(answer.rows.length).toBeLessThan(20)
  expect(answer.isTruncated).toBe(true)
})

const endless = 'SELECT count(*) FROM range(1000000000000) a WHERE hash(a.range) = 1'

test('a query over its time is killed', async () => {
  expect(await refusal(endless, { limits: { ...limits, timeoutMs: 700 } })).toBe(
    'QUERY_LIMIT: The query took longer than its limit of 700 ms.',
  )
})

test('a query over its memory ends alone', async () => {
  const greedy = `SELECT list(a.range || 'xxxxxxxxxxxxxxxx') FROM range(100000000) a`
  expect(await refusal(greedy)).toMatch(/^QUERY_LIMIT/u)
})

test('a cancelled query is killed', async () => {
  const cancel = new AbortController()
  const answer = refusal(endless, { signal: cancel.signal })
  cancel.abort()
  expect(await answer).toBe('QUERY_LIMIT: The query was cancelled.')
})

/** A file of this process or of one that it started; others on this machine may be about to unlink theirs. */
function isOurs(name: string): boolean {
  const [, pid] = /^muniment-(\d+)-/u.exec(name) ?? []
  if (pid === undefined) return name.includes('muniment')
  if (Number(pid) === process.pid) return true
  const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : ''
  return status.includes(`PPid:\t${process.pid}\n`)
}

test.runIf(process.platform === 'linux')('decrypted rows never have a name on disk', async () => {
  await using sandbox = openSandbox(pool.take(), query('SELECT count(*) FROM events'))
  await sandbox.plan()
  await sandbox.feed({ table: 'base_events', file: 0, isArchived: true }, events)
  const result = await sandbox.run()
  expect(readdirSync('/dev/shm').filter(isOurs)).toEqual([])
  expect(await collect(result.rows)).toEqual([[1000]])
})
