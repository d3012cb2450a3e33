import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createQueryEngine, type QueryEngine, type QueryFigures } from '@muniment/query'
import { benchEvent, countTraffic, createFilled, firstMs, type Filled } from './archive-rig.ts'
import { cpuSeconds, type Figure } from './figure.ts'

const segments = 1000
const eventsPerSegment = 20
const segmentMs = 60_000
const roundTripMs = 25

function against(reference: number, figure: Figure): Figure {
  return { ...figure, reference, ratio: figure.value / reference }
}

interface Timed {
  readonly figures: QueryFigures
  readonly firstRowMs: number
  readonly totalMs: number
}

export async function ask(engine: QueryEngine, sql: string): Promise<Timed> {
  // People pause between questions; meanwhile the next process gets ready.
  await new Promise(resolve => setTimeout(resolve, 400))
  const startedMs = performance.now()
  await using result = await engine.query({ sql, limit: 10_000 })
  let firstRowMs = 0
  for await (const _ of result.rows) firstRowMs ||= performance.now() - startedMs
  return { figures: result.figures(), firstRowMs, totalMs: performance.now() - startedMs }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'muniment-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

export function engineOver(filled: Filled, cachePath: string, delayMs: number): QueryEngine {
  const traffic = { reads: 0, readBytes: 0, writes: 0 }
  const store = countTraffic(filled.store, traffic, delayMs)
  return createQueryEngine({ store, keys: filled.keys.segmentKeys, cachePath, keepsSpareProcess: true })
}

/** A thousand segments, a minute each, every read 25 ms away: what a selective question costs. */
async function selective(filled: Filled, folder: string): Promise<readonly Figure[]> {
  const near = engineOver(filled, join(folder, 'catalogue'), 0)
  const catchUpS = await cpuSeconds(() => ask(near, 'SELECT 1'))
  await near[Symbol.asyncDispose]()
  await using far = engineOver(filled, join(folder, 'catalogue'), roundTripMs)
  const from = new Date(firstMs + 500 * segmentMs).toISOString()
  const to = new Date(firstMs + 515 * segmentMs - 1).toISOString()
  const sql = `SELECT time, target, principal_id FROM events WHERE time BETWEEN '${from}' AND '${to}' AND outcome = 'tool_error'`
  const runs: Timed[] = []
  for (let turn = 0; turn < 7; turn++) runs.push(await ask(far, sql))
  const figures = runs[0]?.figures
  return [
    against(5000, { name: 'catalogue from manifests', value: segments / catchUpS, unit: 'manifests/CPU-s' }),
    against(50, { name: 'selective query, 1,000 segments', value: figures?.requests ?? 0, unit: 'requests' }),
    against(3, { name: 'selective query, 1,000 segments', value: (figures?.bytes ?? 0) / 1e6, unit: 'MB' }),
    against(150, {
      name: 'selective query, first row at 25 ms a read',
      value: median(runs.map(each => each.firstRowMs)),
      unit: 'ms',
    }),
  ]
}

async function fillSmall(): Promise<Filled> {
  const filled = await createFilled()
  for (let segment = 0; segment < segments; segment++) {
    const events = Array.from({ length: eventsPerSegment }, (_, index) => {
      const seq = segment * eventsPerSegment + index
      return benchEvent({ seq, timeMs: firstMs + segment * segmentMs + index * 1000 })
    })
    await filled.cut(events)
  }
  return filled
}

/** A group-by that reads two columns of everything. */
async function groupBy(folder: string): Promise<readonly Figure[]> {
  const filled = await createFilled()
  const count = 100_000
  const perCut = 20_000
  for (let first = 0; first < count; first += perCut)
    await filled.cut(Array.from({ length: perCut }, (_, index) => benchEvent({ seq: first + index })))
  await using engine = engineOver(filled, join(folder, 'group-by'), 0)
  await ask(engine, 'SELECT 1')
  const sql = 'SELECT target, outcome, count(*) FROM events GROUP BY ALL ORDER BY 3 DESC'
  const runs: Timed[] = []
  for (let turn = 0; turn < 5; turn++) runs.push(await ask(engine, sql))
  const nothing: Timed[] = []
  for (let turn = 0; turn < 5; turn++) nothing.push(await ask(engine, 'SELECT 1'))
  const base = median(nothing.map(each => each.totalMs))
  const narrow = median(runs.map(each => each.totalMs))
  const wide = (await ask(engine, 'SELECT * FROM events LIMIT 1')).totalMs
  return [
    { name: 'a query of nothing, with a process waiting', value: base, unit: 'ms' },
    { name: `group by two columns, ${count.toLocaleString('en')} events`, value: narrow, unit: 'ms' },
    { name: `every column of the same events`, value: wide, unit: 'ms' },
  ]
}

/** What questions cost, in requests, bytes and time. */
export async function run(): Promise<readonly Figure[]> {
  return withFolder(async folder => [
    ...(await selective(await fillSmall(), folder)),
    ...(await groupBy(folder)),
  ])
}
