import { Buffer } from 'node:buffer'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { append, pack } from '../src/embedded/append.ts'
import { decodeChunk, encodeChunk } from '../src/embedded/chunk.ts'
import { openDatabase, type Database } from '../src/embedded/database.ts'
import { createEmbeddedLog, type EmbeddedLog } from '../src/embedded/log.ts'
import { prepareRetentionStatements, sweep } from '../src/embedded/retention.ts'
import { prepareStatements } from '../src/embedded/statements.ts'
import { createNames } from '../src/names.ts'
import { createPartitioner } from '../src/partition.ts'
import type { BusRecord, OutgoingRecord } from '../src/bus.ts'

const topic = 'mcp.one'
const place = { topic, partition: 0 }
const retentionMs = 1000

let dir = ''
let database: Database

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'muniment-bus-'))
  database = openDatabase(dir)
})

afterEach(() => {
  database.connection.close()
  rmSync(dir, { recursive: true, force: true, maxRetries: 10 })
})

function record(number: number, bytes: number): OutgoingRecord {
  return { key: null, value: Buffer.alloc(bytes, number), headers: { number: String(number) } }
}

/** A log with one partition, and what appends to and sweeps it. */
function openLog() {
  const statements = prepareStatements(database.connection)
  const retention = prepareRetentionStatements(database.connection)
  database.connection.exec('DELETE FROM chunk; DELETE FROM part')
  statements.addPart.run(topic, 0, retentionMs)
  const log = createEmbeddedLog(database, statements, createNames())
  log.refresh()
  let next = 0
  return {
    log,
    publish: (sizes: readonly number[], nowMs: number): void => {
      const records = sizes.map(size => record(next++, size))
      const parcels = pack(records, { topic, parts: log.rows(topic), choose: createPartitioner() })
      log.note(append(statements, parcels, nowMs))
    },
    sweep: (nowMs: number): void => {
      const [part] = log.rows(topic)
      while (part !== undefined && sweep(retention, part, nowMs));
      log.refresh()
    },
    count: () => next,
  }
}

/** Everything from an offset on, in batches within the limits. */
function readFrom(
  log: EmbeddedLog,
  from: number,
  limits: { readonly records: number; readonly bytes: number },
) {
  const found: BusRecord[] = []
  let offset = from
  for (
    let batch = log.fetch({ ...place, offset }, limits);
    batch;
    batch = log.fetch({ ...place, offset }, limits)
  ) {
    const bytes = batch.records.reduce((sum, { value }) => sum + value.byteLength, 0)
    expect(batch.records.length).toBeLessThanOrEqual(limits.records)
    if (batch.records.length > 1) expect(bytes).toBeLessThanOrEqual(limits.bytes)
    found.push(...batch.records)
    offset = batch.nextOffset
  }
  return found
}

const publishes = fc.array(fc.array(fc.nat({ max: 3000 }), { minLength: 1, maxLength: 40 }), {
  minLength: 1,
  maxLength: 12,
})
const limits = fc.record({
  records: fc.integer({ min: 1, max: 60 }),
  bytes: fc.integer({ min: 1, max: 20_000 }),
})

test('whatever was published is read from any offset, in any batches, once and in order', () => {
  fc.assert(
    fc.property(publishes, limits, fc.nat(), (calls, within, seed) => {
      const { log, publish, count } = openLog()
      calls.forEach((sizes, index) => publish(sizes, index))
      const from = seed % (count() + 1)
      const offsets = readFrom(log, from, within).map(({ offset, headers }) => [
        offset,
        Number(headers['number']),
      ])
      const expected = Array.from({ length: count() - from }, (_, index) => [from + index, from + index])
      expect(offsets).toEqual(expected)
    }),
    { numRuns: 40 },
  )
})

test('a sweep removes whole publishes that are too old, and nothing else', () => {
  fc.assert(
    fc.property(publishes, fc.nat({ max: 15 }), (calls, age) => {
      const { log, publish, sweep: sweepAt, count } = openLog()
      const firsts: number[] = []
      calls.forEach((sizes, index) => {
        firsts.push(count())
        publish(sizes, index)
      })
      sweepAt(age + retentionMs)
      const first = firsts[age] ?? count()
      expect(log.state(place)).toMatchObject({ firstOffset: first, nextOffset: count() })
      const offsets = readFrom(log, 0, { records: 1000, bytes: 1_000_000 }).map(({ offset }) => offset)
      expect(offsets).toEqual(Array.from({ length: count() - first }, (_, index) => first + index))
    }),
    { numRuns: 40 },
  )
})

test('any records survive being packed in a chunk', () => {
  const anyRecord = fc.record({
    key: fc.option(fc.string({ unit: 'binary' })),
    value: fc.uint8Array({ maxLength: 200 }),
    headers: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })),
  })
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1 }), records => {
      const body = encodeChunk(records)
      const found = decodeChunk({ place, firstOffset: 5, timestampMs: 1, body })
      expect(
        found.map(each => ({ ...each, value: [...each.value], headers: Object.entries(each.headers) })),
      ).toEqual(
        records.map(({ key, value, headers }, index) => ({
          ...place,
          offset: 5 + index,
          key,
          value: [...value],
          headers: Object.entries(headers),
          timestampMs: 1,
        })),
      )
    }),
  )
})
