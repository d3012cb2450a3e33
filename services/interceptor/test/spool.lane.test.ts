import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { SealedRecord } from '../src/batch.ts'
import { drainSpool } from '../src/spool/drain.ts'
import { openFileSpool, type FileSpoolOptions } from '../src/spool/files.ts'
import { laneFolder, listSegments } from '../src/spool/names.ts'
import { decodeRecords, encodeRecords } from '../src/spool/segment.ts'
import { createMemorySpool, type Spool } from '../src/spool/spool.ts'
import { drained, filesIn } from './support.ts'

// Whole programs are started here, also on machines that are busy.
vi.setConfig({ testTimeout: 30_000 })

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'muniment-spool-'))
})
afterEach(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }))

const record = (n: number, lane = 'a/0'): SealedRecord => ({
  key: lane,
  headers: { n: String(n), odd: 'é"' },
  value: Buffer.alloc(100 + n, n),
})
const numbersOf = (records: readonly SealedRecord[]): number[] =>
  records.map(({ headers }) => Number(headers['n']))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
const fileSpool = (options: Partial<FileSpoolOptions> = {}): Spool =>
  openFileSpool({ dir, lane: 'a/0', maxBytes: 1_000_000, suspectAfterMs: 0, ...options })
const laneDir = (): string => join(dir, laneFolder('a/0'))

describe.each([
  ['in files', () => fileSpool({ segmentBytes: 1000 })],
  ['in memory', () => createMemorySpool(1_000_000)],
])('a spool %s', (_where, make) => {
  test('gives back what was appended, in order, until it is dropped', async () => {
    await using spool = make()
    for (const n of upTo(30)) await spool.append([record(n)])
    const first = await spool.peek(500)
    expect(numbersOf(await spool.peek(500))).toEqual(numbersOf(first))
    const seen: SealedRecord[] = []
    for (let some = await spool.peek(500); some.length > 0; some = await spool.peek(500)) {
      seen.push(...some)
      await spool.drop()
    }
    expect(seen.map(({ key, headers, value }) => ({ key, headers, value: Buffer.from(value) }))).toEqual(
      upTo(30).map(n => record(n)),
    )
    await spool.append([record(30)])
    expect(numbersOf(await spool.peek(1))).toEqual([30])
  })

  test('takes the last records of a process at once', async () => {
    await using spool = make()
    await spool.append([record(0)])
    spool.appendSync([record(1)])
    // A signal that the host survives is not the end.
    await spool.append([record(2)])
    const seen: number[] = []
    for (let some = await spool.peek(1e6); some.length > 0; some = await spool.peek(1e6)) {
      seen.push(...numbersOf(some))
      await spool.drop()
    }
    expect(seen).toEqual([0, 1, 2])
  })
})

describe('spool files', () => {
  test('are made by the first append, for their owner only', async () => {
    await using spool = fileSpool()
    expect(await filesIn(dir)).toEqual([])
    await spool.append([record(0)])
    const files = await filesIn(dir)
    for (const file of files) expect((await stat(join(dir, file))).mode & 0o077).toBe(0)
    expect(files.length).toBe(3)
  })

  test('torn at any byte give the records before the tear', () => {
    const bytes = encodeRecords(upTo(3).map(n => record(n)))
    const ends = upTo(4).map(n => encodeRecords(upTo(n).map(one => record(one))).length)
    for (let at = 0; at <= bytes.length; at++) {
      const { records, consumedBytes } = decodeRecords(bytes.subarray(0, at))
      const whole = ends.findLastIndex(end => end <= at)
      expect([records.length, consumedBytes]).toEqual([whole, ends[whole]])
    }
  })

  test('with a flipped byte lose that record at most, and say so', async () => {
    const spool = fileSpool()
    for (const n of upTo(3)) await spool.append([record(n)])
    await spool[Symbol.asyncDispose]()
    const file = join(laneDir(), '0000000000.seg')
    const bytes = await readFile(file)
    const middle = Math.floor(bytes.length / 2)
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
    await writeFile(file, bytes)
    const problems: string[] = []
    const seen: SealedRecord[] = []
    await drainSpool({
      dir,
      signal: new AbortController().signal,
      untilEmpty: true,
      publish: async some => void seen.push(...some),
      onProblem: ({ code }) => problems.push(code),
    })
    expect([numbersOf(seen), problems]).toEqual([[0, 2], ['BATCH_MALFORMED']])
  })

  test('beyond the cap are refused, and taken again once they were drained by another process', async () => {
    await using spool = fileSpool({ maxBytes: 2000, segmentBytes: 500 })
    const append = async (): Promise<number> => {
      for (let n = 0; ; n++) await spool.append([record(n)])
    }
    await expect(append()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    expect((await drained(dir)).length).toBeGreaterThan(5)
    await spool.append([record(0)])
  })

  test('that were removed under a writer that was taken for dead are written again', async () => {
    await using spool = fileSpool()
    await spool.append([record(0)])
    await rm(laneDir(), { recursive: true, maxRetries: 10 })
    await spool.append([record(1)])
    expect(numbersOf(await drained(dir))).toEqual([1])
  })

  test('where nothing can be written reject with DISK_UNUSABLE', async () => {
    await writeFile(join(dir, 'x'), '')
    await using spool = fileSpool({ dir: join(dir, 'x') })
    await expect(spool.append([record(0)])).rejects.toMatchObject({ code: 'DISK_UNUSABLE' })
  })
})

describe('draining', () => {
  test('publishes the lanes of all writers, each in order, and removes what was published', async () => {
    const spools = ['a/0', 'b/0', 'c/7'].map(lane =>
      openFileSpool({ dir, lane, maxBytes: 1e9, segmentBytes: 3000 }),
    )
    for (const n of upTo(40))
      for (const [at, lane] of ['a/0', 'b/0', 'c/7'].entries()) await spools[at]?.append([record(n, lane)])
    for (const spool of spools) await spool[Symbol.asyncDispose]()
    const records = await drained(dir)
    for (const lane of ['a/0', 'b/0', 'c/7'])
      expect(numbersOf(records.filter(({ key }) => key === lane))).toEqual(upTo(40))
    expect((await filesIn(dir)).filter(file => /\.(?:seg|open)$/u.test(file))).toEqual([])
  })

  test('follows a writer that goes on, and gives what was refused again', async () => {
    const stop = new AbortController()
    const seen: SealedRecord[] = []
    let failures = 3
    const draining = drainSpool({
      dir,
      signal: stop.signal,
      publish: async some => {
        if (failures-- > 0) throw new Error('down')
        seen.push(...some)
      },
    })
    await using spool = fileSpool({ segmentBytes: 1500 })
    for (const n of upTo(50)) await spool.append([record(n)])
    await expect.poll(() => seen.length, { timeout: 4000 }).toBe(50)
    stop.abort()
    await draining
    expect(numbersOf(seen)).toEqual(upTo(50))
    expect((await readdir(laneDir())).length).toBeLessThan(5)
  })

  test('takes everything that a killed writer had made durable, and its torn end for nothing', async () => {
    const writer = spawn(
      process.execPath,
      [fileURLToPath(new URL('spool-writer.ts', import.meta.url)), dir],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let printed = ''
    writer.stdout.on('data', chunk => {
      printed += String(chunk)
      if (printed.length > 600) writer.kill('SIGKILL')
    })
    await once(writer, 'close')
    const durable = printed.split('\n').filter(line => line !== '').length
    const folder = join(dir, laneFolder('w/0'))
    const newest = (await readdir(folder)).filter(file => file.endsWith('.open'))
    for (const file of newest) {
      const { size } = await stat(join(folder, file))
      await writeFile(join(folder, file), Buffer.from([200, 1, 0, 0, 9, 9, 9]), { flag: 'a' })
      expect((await stat(join(folder, file))).size).toBe(size + 7)
    }
    const numbers = numbersOf(await drained(dir))
    expect(numbers.length).toBeGreaterThanOrEqual(durable)
    expect(numbers).toEqual(upTo(numbers.length))
    expect(await readdir(dir)).toEqual([])
  })

  test('leaves what a living writer has open where it is asked for the rest only', async () => {
    await using spool = fileSpool()
    await spool.append([record(0)])
    const seen: SealedRecord[] = []
    await drainSpool({
      dir,
      signal: new AbortController().signal,
      untilEmpty: true,
      onlyAbandoned: true,
      publish: async some => void seen.push(...some),
    })
    expect(seen).toEqual([])
  })

  test.each([
    ['an hour', 3_700_000, []],
    ['a minute', 60_000, ['0000000000.open', 'owner.json']],
  ])(
    'takes a writer of another machine for gone after %s without a write: %#',
    async (_what, idleMs, left) => {
      await using spool = fileSpool()
      await spool.append([record(0)])
      await writeFile(join(laneDir(), 'owner.json'), JSON.stringify({ pid: process.pid, host: 'another' }))
      const then = new Date(Date.now() - idleMs)
      await utimes(join(laneDir(), '0000000000.open'), then, then)
      expect(numbersOf(await drained(dir))).toEqual([0])
      expect(await filesIn(laneDir())).toEqual(left)
      // It was alive after all.
      await spool.append([record(1)])
      expect(numbersOf(await drained(dir)).at(-1)).toBe(1)
    },
  )

  test('waits for a record that is half written', async () => {
    const spool = fileSpool()
    await spool.append([record(0)])
    await spool.append([record(1)])
    const file = join(laneDir(), '0000000000.open')
    const { size } = await stat(file)
    await truncate(file, size - 10)
    expect(numbersOf(await drained(dir))).toEqual([0])
    expect((await stat(file)).size).toBe(size - 10)
    await spool[Symbol.asyncDispose]()
  })
})

describe('a process that ends while its first segment is being made', () => {
  test('names itself though an empty owner file is there, so that no drainer takes it for gone', async () => {
    await mkdir(laneDir(), { recursive: true })
    await writeFile(join(laneDir(), 'owner.json'), '')
    fileSpool().appendSync([record(0)])
    const owner: unknown = JSON.parse(await readFile(join(laneDir(), 'owner.json'), 'utf8'))
    expect(owner).toMatchObject({ pid: process.pid })
  })

  test.each(upTo(12))('writes its last records, %d turns after the first append', async turns => {
    const spool = fileSpool()
    const first = spool.append([record(0)])
    for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve))
    spool.appendSync([record(1)])
    await first.catch(() => undefined)
    await spool.append([record(2)])
    // Readers never go back, so what came last lies in the last segment.
    const segments = await listSegments(laneDir())
    expect(segments.filter(({ isOpen }) => isOpen)).toEqual(segments.slice(-1))
    await spool[Symbol.asyncDispose]()
    expect(numbersOf(await drained(dir))).toEqual(expect.arrayContaining([1, 2]))
  })
})
