import { execFile } from 'node:child_process'
import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { describeLanes } from '../../../test/lanes/lanes.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { parquetJudge } from '../../../test/lanes/parquet-java.ts'
import { encryptParquet } from '../src/parquet/encrypt.ts'
import { bufferSource, openParquet } from '../src/parquet/read.ts'
import { writeParquet } from '../src/parquet/write.ts'
import { collect, event, eventId } from './events.ts'
import { query } from './plain-parquet.ts'

const run = promisify(execFile)
const key = randomBytes(32)

async function judge(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('java', parquetJudge(...args), { maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

/** An event, or what is none; every third calls another tool. */
function recordAt(seq: number): Buffer {
  if (seq % 50 === 49) return Buffer.from([0xff, 0xfe, seq % 256])
  const record = event({ seq })
  return seq % 3 === 0
    ? Buffer.from(record.toString().replace('"target":"note"', '"target":"other"'))
    : record
}

describeLanes(['parquet-java'], 'segments and parquet-java', () => {
  let folder = ''
  const records = Array.from({ length: 400 }, (_, seq) => recordAt(seq))
  const file = (name: string): string => join(folder, name)
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-parquet-java-'))
    const rows = records.map((raw, offset) => ({ raw, offset }))
    const { bytes: plain } = await writeParquet(topic.events, rows)
    const sealed = encryptParquet(plain, {
      key: createSecretKey(key),
      keyMetadata: Buffer.from('{"v":1}'),
      randomBytes,
    })
    await writeFile(file('ours.parquet'), sealed.bytes)
  })
  afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

  test('it reads every row of ours, to the byte', async () => {
    const lines = (await judge('read', file('ours.parquet'), key.toString('hex'))).trim().split('\n')
    const expected = records.map((raw, seq) => {
      const isEvent = seq % 50 !== 49
      const target = seq % 3 === 0 ? 'other' : 'note'
      const digest = createHash('sha256').update(raw).digest('hex')
      return [seq, isEvent ? eventId(seq) : null, isEvent ? target : null, digest]
    })
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual(expected)
  })

  test.each([
    ['target', 'other', (seq: number): boolean => seq % 3 === 0 && seq % 50 !== 49],
    ['id', eventId(200), (seq: number): boolean => seq === 200],
    ['target', 'no such tool', (): boolean => false],
  ])('its filter %s = %s keeps the rows that it should', async (...[column, value, isWanted]) => {
    const text = await judge('filter', file('ours.parquet'), key.toString('hex'), column, value)
    const wanted = [...records.keys()].filter(isWanted)
    expect(text.split('\n').filter(Boolean).map(Number)).toEqual(wanted)
  })

  test('it refuses ours with another key, and with a byte altered', async () => {
    await expect(judge('read', file('ours.parquet'), '00'.repeat(32))).rejects.toThrow(/Tag|decrypt/iu)
    const bytes = await readFile(file('ours.parquet'))
    await writeFile(file('altered.parquet'), bytes.with(2000, (bytes[2000] ?? 0) ^ 1))
    await expect(judge('read', file('altered.parquet'), key.toString('hex'))).rejects.toThrow(/Tag|decrypt/iu)
  })

  test('we read every row of its', async () => {
    await judge('write', file('theirs.parquet'), key.toString('hex'), '1000')
    const bytes = await readFile(file('theirs.parquet'))
    const reader = await openParquet(bufferSource(bytes), createSecretKey(key))
    const raws = await collect(reader.rawRows())
    expect(raws.map(String)).toEqual(Array.from({ length: 1000 }, (_, row) => `{"row":${row}}`))
    const sql = 'SELECT tenant, count(*) FROM file GROUP BY ALL ORDER BY ALL'
    expect(await query(await reader.extract({}), sql)).toEqual([
      ['tenant-0', 334n],
      ['tenant-1', 333n],
      ['tenant-2', 333n],
    ])
  })
})
