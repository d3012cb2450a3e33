import { Buffer } from 'node:buffer'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openEmbeddedBus } from '../src/embedded.ts'
import { openDatabase } from '../src/embedded/database.ts'
import { createWriter } from '../src/embedded/writer.ts'
import { describeBus, spec } from './contract.ts'
import type { Bus, BusRecord } from '../src/bus.ts'
import type { BusDeps } from '../src/config.ts'

const hourMs = 3_600_000
const topic = 'mcp.one'

let dir = ''

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'muniment-bus-'))
})

afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 10 })
})

describeBus('embedded', async () => {
  const own = await mkdtemp(join(tmpdir(), 'muniment-bus-'))
  return {
    open: ({ topicPrefix, deps }) => openEmbeddedBus({ kind: 'embedded', dir: own, topicPrefix }, deps),
    [Symbol.asyncDispose]: () => rm(own, { recursive: true, force: true, maxRetries: 10 }),
  }
})

function open(deps: BusDeps): Promise<Bus> {
  return openEmbeddedBus({ kind: 'embedded', dir }, deps)
}

function text(value: string, key: string | null = null) {
  return { key, value: Buffer.from(value), headers: {} }
}

async function readAll(bus: Bus): Promise<BusRecord[]> {
  const found: BusRecord[] = []
  const { signal } = new AbortController()
  for await (const record of bus.read({ topic, untilEnd: true, signal })) found.push(record)
  return found
}

test('records older than the retention are removed, and offsets go on', async () => {
  const topics = [spec(topic, 1)]
  const first = await open({ now: () => 0, topics })
  for (let index = 0; index < 150; index++) await first.publish(topic, [text(`old ${index}`)])
  await first[Symbol.asyncDispose]()
  const second = await open({ now: () => hourMs / 2, topics })
  await second.publish(topic, [text('newer')])
  await second[Symbol.asyncDispose]()
  await using last = await open({ now: () => hourMs + 1, topics })
  await expect.poll(async () => (await last.describe(topic))[0]?.firstOffset).toBe(150)
  expect((await readAll(last)).map(({ offset, value }) => [offset, Buffer.from(value).toString()])).toEqual([
    [150, 'newer'],
  ])
  expect(await last.describe(topic)).toEqual([{ topic, partition: 0, firstOffset: 150, nextOffset: 151 }])
  await last.publish(topic, [text('next')])
  expect((await readAll(last)).map(({ offset }) => offset)).toEqual([150, 151])
})

test('a topic without retention keeps the newest record of each key', async () => {
  const topics = [{ ...spec(topic, 1), retentionMs: undefined }]
  const first = await open({ now: () => 0, topics })
  for (let index = 0; index < 100; index++) {
    await first.publish(topic, [text(`a${index}`, 'a'), text(`b${index}`, 'b')])
  }
  await first.publish(topic, [text('no key'), text('a, last', 'a')])
  await first[Symbol.asyncDispose]()
  await using last = await open({ now: () => 1000 * hourMs, topics })
  const kept = async (): Promise<string[]> =>
    (await readAll(last)).map(({ value }) => Buffer.from(value).toString())
  await expect.poll(kept).toEqual(['b99', 'no key', 'a, last'])
})

test('the file can be read by its owner only', async () => {
  const bus = await open({})
  await bus[Symbol.asyncDispose]()
  expect((await stat(join(dir, 'bus.db'))).mode & 0o777).toBe(0o600)
})

test('a disk that is full is told with the path, and what was committed stays', async () => {
  const bus = await open({ topics: [spec(topic, 1)] })
  await bus.publish(topic, [text('kept')])
  const database = openDatabase(dir)
  const pages = database.connection.prepare('PRAGMA page_count').get()?.['page_count']
  database.connection.exec(`PRAGMA max_page_count = ${Number(pages) + 4}`)
  const writer = createWriter({ database, timeoutMs: 1000, now: Date.now, onCommit: () => undefined })
  const insert = database.connection.prepare(
    'INSERT INTO chunk (id, count, time_ms, body) VALUES (?, 1, 0, ?)',
  )
  const filling = writer.write({ run: () => insert.run(2 ** 45, Buffer.alloc(1_000_000)) })
  await expect(filling).rejects.toMatchObject({
    code: 'DISK_UNUSABLE',
    message: `${join(dir, 'bus.db')} cannot grow: the disk is full`,
  })
  database.connection.close()
  expect(await readAll(bus)).toHaveLength(1)
  await bus[Symbol.asyncDispose]()
})

test('a folder that cannot be made, and a file that is no database, are told with the path', async () => {
  const nowhere = openEmbeddedBus({ kind: 'embedded', dir: '/dev/null/bus' })
  await expect(nowhere).rejects.toMatchObject({
    code: 'DISK_UNUSABLE',
    details: { path: '/dev/null/bus/bus.db' },
  })
  await writeFile(join(dir, 'bus.db'), 'this is no database, but long enough to have a header'.repeat(100))
  await expect(open({})).rejects.toMatchObject({
    code: 'DISK_UNUSABLE',
    message: expect.stringContaining('is not a database'),
  })
})

test('a file of a newer version is left alone', async () => {
  const bus = await open({})
  await bus[Symbol.asyncDispose]()
  const { connection } = openDatabase(dir)
  connection.exec('PRAGMA user_version = 99')
  connection.close()
  await expect(open({})).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('a lock that others keep is waited for, and told after the time allowed', async () => {
  const topics = [spec(topic, 1)]
  await using bus = await openEmbeddedBus({ kind: 'embedded', dir, publishTimeoutMs: 300 }, { topics })
  const { connection } = openDatabase(dir)
  connection.exec('BEGIN IMMEDIATE')
  await expect(bus.publish(topic, [text('late')])).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  const waiting = bus.publish(topic, [text('in time')])
  connection.exec('ROLLBACK')
  await waiting
  connection.close()
  expect((await readAll(bus)).map(({ value }) => Buffer.from(value).toString())).toEqual(['in time'])
})

test('an unusable topic prefix is refused', async () => {
  const opening = openEmbeddedBus({ kind: 'embedded', dir, topicPrefix: 'a b' })
  await expect(opening).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})
