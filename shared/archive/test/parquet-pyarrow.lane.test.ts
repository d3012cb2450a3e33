import { execFile } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { describeLanes } from '../../../test/lanes/lanes.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { pythonWithPyArrow } from '../../../test/lanes/pyarrow.ts'
import { bufferSource, openParquet } from '../src/parquet/read.ts'
import { collect } from './events.ts'
import { query } from './plain-parquet.ts'

const run = promisify(execFile)
const script = fileURLToPath(import.meta.resolve('../../../test/judges/parquet.py'))

interface Written {
  readonly rows?: number
  readonly keyBytes?: 16 | 32
  readonly encryption?: object
  readonly file?: object
}

describeLanes(['pyarrow'], 'files that PyArrow encrypts', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-pyarrow-'))
  })
  afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

  async function write({ rows = 1000, keyBytes = 32, ...options }: Written): Promise<{
    bytes: Buffer
    key: Buffer
  }> {
    const key = randomBytes(keyBytes)
    const path = join(folder, 'theirs.parquet')
    await run(pythonWithPyArrow(), [script, path, key.toString('hex'), String(rows), JSON.stringify(options)])
    return { bytes: await readFile(path), key }
  }

  test.each<[string, Written]>([
    ['compressed by zstd', {}],
    ['under a key of 128 bits', { keyBytes: 16 }],
    ['without rows', { rows: 0 }],
    ['in several row groups, each of several pages', { file: { row_group_size: 300, data_page_size: 512 } }],
    ['without a dictionary, with page indexes', { file: { use_dictionary: false, write_page_index: true } }],
    ['uncompressed', { file: { compression: 'none' } }],
    ['bound to a prefix that stands in the file', { encryption: { aad_prefix: 'tester' } }],
  ])('open %s, to the byte and for queries', async (_, written) => {
    const { bytes, key } = await write(written)
    const { rows = 1000 } = written
    const reader = await openParquet(bufferSource(bytes), createSecretKey(key))
    const raws = (await collect(reader.rawRows())).map(String)
    expect(raws).toEqual(Array.from({ length: rows }, (_row, row) => `{"row":${row}}`))
    const counts = `SELECT count(*), count(note), sum(len(tags)), count(DISTINCT tenant) FROM file`
    const notes = Array.from({ length: rows }, (_row, row) => row % 7).filter(rest => rest !== 0).length
    const tags = Array.from({ length: rows }, (_row, row) => row % 3).reduce((sum, each) => sum + each, 0)
    const expected = [BigInt(rows), BigInt(notes), rows === 0 ? null : BigInt(tags), rows === 0 ? 0n : 3n]
    expect(await query(await reader.extract({}), counts)).toEqual([expected])
  })

  test.each<[string, Written, string]>([
    ['counter mode', { encryption: { encryption_algorithm: 'AES_GCM_CTR_V1' } }, 'PME_ALGORITHM'],
    ['a footer in the clear', { encryption: { plaintext_footer: true } }, 'PME_PLAINTEXT_FOOTER'],
    [
      'a prefix that only the writer knows',
      { encryption: { aad_prefix: 'tester', store_aad_prefix: false } },
      'PME_AAD_PREFIX',
    ],
    ['another compression than ours', { file: { compression: 'snappy' } }, 'PARQUET_PROFILE'],
    ['pages of version 2', { file: { data_page_version: '2.0' } }, 'PARQUET_PROFILE'],
  ])('are refused by reason: %s', async (_, written, reason) => {
    const { bytes, key } = await write(written)
    const reading = async (): Promise<unknown> => {
      const reader = await openParquet(bufferSource(bytes), createSecretKey(key))
      return await collect(reader.rawRows())
    }
    await expect(reading()).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED', details: { reason } })
  })

  test('are refused under another key, and with any byte of their pages altered', async () => {
    const { bytes, key } = await write({ rows: 50 })
    const other = createSecretKey(randomBytes(32))
    await expect(openParquet(bufferSource(bytes), other)).rejects.toMatchObject({
      details: { reason: 'PME_AUTH' },
    })
    const readAll = async (altered: Buffer): Promise<unknown> =>
      await (await openParquet(bufferSource(altered), createSecretKey(key))).extract({})
    for (let at = 8; at < 1500; at += 101)
      await expect(readAll(Buffer.from(bytes.with(at, (bytes[at] ?? 0) ^ 1)))).rejects.toMatchObject({
        code: 'ARCHIVE_DAMAGED',
      })
  })
})
