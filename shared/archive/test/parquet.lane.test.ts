import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { filterValues } from '../src/format/filter.ts'
import { encryptParquet } from '../src/parquet/encrypt.ts'
import { bufferSource, openParquet } from '../src/parquet/read.ts'
import { writeParquet } from '../src/parquet/write.ts'
import { collect, event } from './events.ts'
import { query } from './plain-parquet.ts'

const key = createSecretKey(Buffer.alloc(32, 7))
const keyMetadata = Buffer.from('{"v":1}')

async function write(
  values: readonly Uint8Array[],
  topicName: string = topic.events,
): Promise<{ bytes: Buffer; footerBytes: number }> {
  const rows = values.map((raw, offset) => ({ raw, offset }))
  const { bytes: plain } = await writeParquet(topicName, rows)
  return encryptParquet(plain, { key, keyMetadata, randomBytes })
}

async function rawRows(bytes: Buffer, footerBytes?: number): Promise<Buffer[]> {
  const reader = await openParquet(bufferSource(bytes), key, footerBytes)
  return collect(reader.rawRows())
}

async function readEverything(bytes: Buffer): Promise<Buffer> {
  const reader = await openParquet(bufferSource(bytes), key)
  for (const column of ['tenant', 'id']) await reader.values(column, 0)
  return reader.extract({})
}

describe('a segment', () => {
  test.each([0, 1, 2, 7, 300])('of %i rows gives back every byte', async count => {
    const values = Array.from({ length: count }, (_, seq) => event({ seq }))
    const file = await write(values)
    expect(await rawRows(file.bytes, file.footerBytes)).toEqual(values)
    expect(await rawRows(file.bytes)).toEqual(values)
  })

  test('keeps malformed records to the byte and the others queryable', async () => {
    const odd = [
      '{"a":',
      '',
      '{"principal":"x","source":{"seq":"a"}}',
      'null',
      '[]',
      '{"id":5}',
      '{"id":"\\ud800"}',
    ]
    const values = [Buffer.from([0xff, 0xfe, 0]), ...odd.map(text => Buffer.from(text)), event({ seq: 3 })]
    const file = await write(values)
    expect(await rawRows(file.bytes)).toEqual(values)
    const reader = await openParquet(bufferSource(file.bytes), key)
    const tenants = await reader.values('tenant', 0)
    expect(tenants.at(-1)?.toString()).toBe('acme')
    expect(tenants[0]).toBeUndefined()
  })

  test('gives back any bytes in any number, repeated or not', async () => {
    const value = fc.uint8Array({ maxLength: 64 })
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 40 }), fc.nat(5), async (list, copies) => {
        const values = Array.from({ length: copies + 1 }, () => list)
          .flat()
          .map(bytes => Buffer.from(bytes))
        const file = await write(values)
        expect(await rawRows(file.bytes)).toEqual(values)
      }),
      { numRuns: 15 },
    )
  })

  test('has in its columns what its records say, as a query engine reads it', async () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('note', 'a\\"b\n', 'é', ''))
    const real = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.nat(5000).map(n => n / 4),
    )
    const row = fc.record({
      target: fc.option(text),
      duration_ms: fc.option(real),
      round: fc.option(fc.maxSafeInteger()),
      time: fc.date({ min: new Date('1970-01-01'), max: new Date('2999-12-31'), noInvalidDate: true }),
      request: fc.record({ truncated: fc.option(fc.boolean()) }),
    })
    // Few different values, so that there are dictionaries, and then many.
    for (const copies of [8, 1]) {
      const rows = fc.sample(row, 200).flatMap(value => Array.from({ length: copies }, () => value))
      const file = await write(rows.map(value => Buffer.from(JSON.stringify(value))))
      const plain = await readEverything(file.bytes)
      const columns = 'target, duration_ms, round, epoch_ms(time), request_truncated'
      const read = await query(plain, `SELECT ${columns} FROM file ORDER BY partition_offset`)
      expect(read).toEqual(
        rows.map(({ target, duration_ms, round, time, request }) => [
          target?.isWellFormed() === false ? null : target,
          // JSON knows one zero.
          duration_ms === null ? null : duration_ms + 0,
          round === null ? null : BigInt(round),
          BigInt(time.getTime()),
          request.truncated,
        ]),
      )
      const narrow = await query(plain, "SELECT count(*) FROM file WHERE target < 'o' AND round > 0")
      const fits = rows.filter(({ target, round }) => {
        const isLow = target?.isWellFormed() === true && Buffer.from(target).compare(Buffer.from('o')) < 0
        return isLow && (round ?? 0) > 0
      })
      expect(narrow).toEqual([[BigInt(fits.length)]])
    }
  })

  test('is known to its writer as to its readers: the same values make the filter', async () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('note', 'a\\"b\n', 'é', '', null, 5))
    const row = fc.record({
      principal: fc.record({ id: text }),
      target: text,
      session_id: text,
      outcome: text,
      pii: fc.record({ findings: fc.array(fc.record({ type: text }), { maxLength: 3 }) }),
    })
    for (const copies of [8, 1]) {
      const rows = fc.sample(row, 200).flatMap(value => Array.from({ length: copies }, () => value))
      const values = rows.map((value, offset) => ({ raw: Buffer.from(JSON.stringify(value)), offset }))
      const written = await writeParquet(topic.events, values)
      const file = encryptParquet(written.bytes, { key, keyMetadata, randomBytes })
      const known = await filterValues(written)
      expect(known.size).toBeGreaterThan(100)
      expect(known).toEqual(await filterValues(await openParquet(bufferSource(file.bytes), key)))
      for (const column of ['round', 'raw', 'no such']) {
        expect(() => written.distinct(column, 0)).toThrow('has no text column')
      }
    }
  })

  test('has one row group for every 20,480 rows', async () => {
    const values = Array.from({ length: 20_481 }, (_, seq) => Buffer.from(String(seq % 100)))
    const file = await write(values)
    const reader = await openParquet(bufferSource(file.bytes), key)
    expect(reader.rowGroups.map(group => group.rows)).toEqual([20_480, 1])
    expect(await collect(reader.rawRows())).toEqual(values)
  })

  test.each([topic.events, topic.alerts, topic.control, 'mcp.unknown'])('can hold %s', async name => {
    const file = await write([event({ seq: 0 })], name)
    const reader = await openParquet(bufferSource(file.bytes), key)
    expect(reader.columns).toContain('partition_offset')
    expect(reader.columns.at(-1)).toBe('raw')
  })

  test('extracts only the columns and row groups that are asked for', async () => {
    const values = Array.from({ length: 20_490 }, (_, seq) => event({ seq }))
    const file = await write(values)
    const reads: number[] = []
    const source = {
      sizeBytes: file.bytes.length,
      read: (start: number, end: number): Promise<Buffer> => {
        reads.push(end - start)
        return Promise.resolve(file.bytes.subarray(start, end))
      },
    }
    const reader = await openParquet(source, key, file.footerBytes)
    const small = await reader.extract({ columns: ['tenant', 'source_seq'], rowGroups: [1] })
    expect(reads).toHaveLength(2)
    expect(reads[1]).toBeLessThan(file.bytes.length / 50)
    expect(await query(small, 'SELECT tenant, max(source_seq), count(*) FROM file GROUP BY ALL')).toEqual([
      ['acme', 20_489n, 10n],
    ])
  })

  test('is the same to the byte for the same rows and random numbers', async () => {
    const rows = Array.from({ length: 20 }, (_, seq) => ({ raw: event({ seq }), offset: seq }))
    const once = async (): Promise<Buffer> => {
      const { bytes: plain } = await writeParquet(topic.events, rows)
      let count = 0
      const counted = (length: number): Buffer => Buffer.alloc(length, (count += 1))
      return encryptParquet(plain, { key, keyMetadata, randomBytes: counted }).bytes
    }
    expect(await once()).toEqual(await once())
  })

  test('has no nonce twice', async () => {
    const { bytes, footerBytes } = await write([event({ seq: 0 }), event({ seq: 1 })])
    const nonces: string[] = []
    for (let at = 4; at < bytes.length - footerBytes; at += 4 + bytes.readUInt32LE(at)) {
      nonces.push(bytes.toString('hex', at + 4, at + 16))
    }
    expect(nonces.length).toBeGreaterThan(64)
    expect(new Set(nonces).size).toBe(nonces.length)
  })

  test('cannot be opened with another key', async () => {
    const file = await write([event({ seq: 0 })])
    await expect(
      openParquet(bufferSource(file.bytes), createSecretKey(Buffer.alloc(32, 8))),
    ).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
      details: { reason: 'PME_AUTH' },
    })
  })

  test('shows any altered bit outside the parts the format leaves open', async () => {
    const { bytes, footerBytes } = await write([event({ seq: 0 })])
    const footerAt = bytes.length - footerBytes
    const metadataAt = bytes.indexOf(keyMetadata, footerAt)
    for (let at = 4; at < bytes.length; at += 29) {
      if (at >= metadataAt && at < metadataAt + keyMetadata.length) continue
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
      const read = readEverything(altered)
      await expect(read, `byte ${at}`).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' })
    }
  })

  test('shows every truncation', async () => {
    const { bytes } = await write([event({ seq: 0 })])
    for (let length = 0; length < bytes.length; length += 7) {
      await expect(openParquet(bufferSource(bytes.subarray(0, length)), key)).rejects.toMatchObject({
        code: 'ARCHIVE_DAMAGED',
      })
    }
  })
})

const fixtures = join(import.meta.dirname, '../../../../shared/data/parquet-testing')

describe.skipIf(!existsSync(fixtures))(
  'files of other writers (skipped where ../shared/data is missing)',
  () => {
    const footerKey = createSecretKey(Buffer.from('0123456789012345'))
    const footerKey256 = createSecretKey(Buffer.from('01234567890123456789012345678901'))
    const files: readonly [string, KeyObject, string][] = [
      ['encrypt_columns_and_footer_ctr.parquet.encrypted', footerKey, 'PME_ALGORITHM'],
      ['encrypt_columns_plaintext_footer.parquet.encrypted', footerKey, 'PME_PLAINTEXT_FOOTER'],
      ['encrypt_columns_and_footer.parquet.encrypted', footerKey, 'PME_COLUMN_KEY'],
      ['aes256/encrypt_columns_and_footer_ctr.parquet.encrypted', footerKey256, 'PME_ALGORITHM'],
      ['external_key_material_java.parquet.encrypted', footerKey, 'PME_AUTH'],
    ]

    test.each([
      ['uniform_encryption.parquet.encrypted', footerKey],
      ['aes256/uniform_encryption.parquet.encrypted', footerKey256],
    ])('%s opens', async (name, fileKey) => {
      const path = join(fixtures, name)
      const reader = await openParquet(bufferSource(readFileSync(path)), fileKey)
      expect(reader.rowCount).toBe(50)
      expect(reader.columns).toHaveLength(8)
      const everything = await reader.extract({})
      expect(await query(everything, 'SELECT count(*), count(int64_field) FROM file')).toEqual([[50n, 50n]])
      const part = await reader.extract({ columns: ['float_field', 'boolean_field'] })
      expect(await query(part, 'SELECT count(float_field) FROM file')).toEqual([[50n]])
    })

    test.each(files)('%s is refused', async (name, fileKey, reason) => {
      const bytes = readFileSync(join(fixtures, name))
      await expect(openParquet(bufferSource(bytes), fileKey)).rejects.toMatchObject({ details: { reason } })
    })
  },
)
