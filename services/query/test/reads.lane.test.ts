import { DuckDBInstance } from '@duckdb/node-api'
import { AppError, topic } from '@muniment/schema'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ReadFacts } from '../src/index.ts'
import { ask, createWorld, eventRecord, idOf } from './world.ts'

async function bytesOf(rows: readonly (readonly unknown[])[]): Promise<Buffer> {
  return Buffer.concat(rows.map(([piece]) => Buffer.from(String(piece), 'base64')))
}

async function countIn(parquet: Buffer): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'query-parquet-'))
  onTestFinished(() => rmSync(folder, { recursive: true, maxRetries: 10 }))
  const file = join(folder, 'answer.parquet')
  writeFileSync(file, parquet)
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  return (await connection.runAndReadAll(`SELECT count(*)::INT, min(target) FROM '${file}'`)).getRows()
}

test('every read is told before anything of it is given out: what was asked, and for whom', async () => {
  const reads: ReadFacts[] = []
  await using world = await createWorld({ onRead: async read => void reads.push(read) })
  await world.bus.publish(topic.events, [eventRecord({ seq: 0 })])
  await world.archive()
  await ask(world.engine, { sql: 'SELECT 1', tenants: ['acme'] })
  await ask(world.engine, { filters: { target: 'search' } })
  await world.engine.show(idOf(0), { tenants: ['acme'] })
  await expect(ask(world.engine, { sql: 'selec' })).rejects.toMatchObject({ code: 'QUERY_INVALID' })
  expect(reads).toEqual([
    { kind: 'query', question: { sql: 'SELECT 1' }, tenants: ['acme'] },
    { kind: 'query', question: { filters: { target: 'search' } } },
    { kind: 'show', id: idOf(0), tenants: ['acme'] },
    { kind: 'query', question: { sql: 'selec' } },
  ])
})

test('where a read cannot be recorded, nothing is given out', async () => {
  const refusal = new AppError('DISK_UNUSABLE', 'full')
  await using world = await createWorld({ onRead: () => Promise.reject(refusal) })
  await world.bus.publish(topic.events, [eventRecord({ seq: 0 })])
  await world.archive()
  await expect(ask(world.engine, { sql: 'SELECT raw FROM events' })).rejects.toBe(refusal)
  await expect(ask(world.engine, { filters: {} })).rejects.toBe(refusal)
  await expect(world.engine.show(idOf(0))).rejects.toBe(refusal)
})

test('an answer as Parquet is one file with the rows of the query, within its limit', async () => {
  await using world = await createWorld()
  await world.bus.publish(
    topic.events,
    Array.from({ length: 50 }, (_, seq) => eventRecord({ seq })),
  )
  await world.archive()
  const sql = 'SELECT id, target FROM events ORDER BY time; -- all of them'
  const all = await ask(world.engine, { sql, output: 'parquet' })
  expect(all.columns).toEqual(['parquet'])
  expect(all.figures).toMatchObject({ rows: 50, isTruncated: false })
  expect(await countIn(await bytesOf(all.rows))).toEqual([[50, 'search']])
  const few = await ask(world.engine, { filters: { outcome: 'ok' }, output: 'parquet', limit: 7 })
  expect(few.figures).toMatchObject({ rows: 7, isTruncated: true })
  expect(await countIn(await bytesOf(few.rows))).toEqual([[7, 'search']])
})

test.each([
  ["SELECT 1) TO '/tmp/muniment-escape.csv'; SELECT (1", 'QUERY_INVALID'],
  ["SELECT * FROM read_csv('/etc/passwd')", 'QUERY_INVALID'],
])('Parquet opens no way out: %s', async (sql, code) => {
  await using world = await createWorld()
  await expect(ask(world.engine, { sql, output: 'parquet' })).rejects.toMatchObject({ code })
})

test('filters by server, and whole records instead of columns', async () => {
  await using world = await createWorld()
  await world.bus.publish(topic.events, [eventRecord({ seq: 0 }), eventRecord({ seq: 1 })])
  await world.archive()
  const records = await ask(world.engine, { filters: { asRecords: true }, limit: 1 })
  expect(records.columns).toEqual(['raw'])
  const [[raw] = []] = records.rows
  expect(typeof raw === 'string' && JSON.parse(raw)).toMatchObject({ id: idOf(1), nonce: '00' })
  expect((await ask(world.engine, { filters: { server: 'none' } })).rows).toEqual([])
  await expect(ask(world.engine, { filters: { view: 'audit', asRecords: true } })).rejects.toMatchObject({
    code: 'QUERY_INVALID',
  })
})
