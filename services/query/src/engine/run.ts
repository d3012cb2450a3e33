import { openArchive, type CommittedManifest } from '@muniment/archive'
import { AppError, topic } from '@muniment/schema'
import { openSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import type { Scan, Value } from '../sandbox/protocol.ts'
import { baseTables } from '../views.ts'
import type { Catalogue, SegmentEntry } from './catalogue.ts'
import { countedStore } from './counted-store.ts'
import { fetchSegments } from './fetch.ts'
import { hintsFor, type Hints } from './hints.ts'
import { pruneByFilter, questionsOf } from './prune.ts'
import { readTail } from './tail.ts'
import { wholeObjects } from './whole-objects.ts'
import type { EngineContext, QueryFigures, QueryRequest, QueryResult } from './contract.ts'

const tables = [
  { topic: topic.events, table: baseTables.events },
  { topic: topic.alerts, table: baseTables.alerts },
  { topic: topic.control, table: baseTables.control },
]

type Figures = { -readonly [name in keyof QueryFigures]: QueryFigures[name] }

/** One query while it is prepared. */
interface Running {
  readonly context: EngineContext
  readonly request: QueryRequest
  readonly signal: AbortSignal
  readonly sandbox: Sandbox
  readonly figures: Figures
  files: number
  inputBytes: number
}

/** What one base table needs. */
interface TableNeed {
  readonly topic: string
  readonly table: string
  readonly columns: readonly string[]
  readonly hints: Hints
}

function needsOf(scans: readonly Scan[]): readonly TableNeed[] {
  return tables.flatMap(({ topic: name, table }) => {
    const own = scans.filter(scan => scan.table === table.name)
    if (own.length === 0) return []
    const columns = [...new Set(own.flatMap(scan => scan.columns))]
    return [{ topic: name, table: table.name, columns, hints: hintsFor(own) }]
  })
}

async function feed(
  running: Running,
  table: string,
  file: { bytes: Buffer; isArchived: boolean },
): Promise<void> {
  const { maxInputBytes } = running.context.limits
  const { bytes, isArchived } = file
  running.inputBytes += bytes.length
  if (running.inputBytes > maxInputBytes) {
    throw new AppError('QUERY_LIMIT', `The query reads more than its limit of ${maxInputBytes} bytes.`)
  }
  running.files += 1
  await running.sandbox.feed({ table, file: running.files, isArchived }, bytes)
}

function tenantsFor({ request }: Running, { hints }: TableNeed): readonly string[] | undefined {
  const asked = hints.equal.get('tenant')
  if (asked === undefined) return request.tenants
  return request.tenants === undefined || request.tenants.includes(asked) ? [asked] : []
}

/** What the catalogue says about one table: its segments, and where the bus goes on. */
interface Sources {
  readonly need: TableNeed
  readonly entries: readonly SegmentEntry[]
  readonly newest: readonly CommittedManifest[]
}

function sourcesFor(running: Running, catalogue: Catalogue, need: TableNeed): Sources {
  const { fromMs, toMs } = need.hints
  const entries = catalogue.find({ topic: need.topic, tenants: tenantsFor(running, need), fromMs, toMs })
  return { need, entries, newest: catalogue.newest(need.topic) }
}

async function fetchTable(running: Running, { need, entries: all }: Sources): Promise<void> {
  const { context, request, figures, signal } = running
  const { store, keys } = context.options
  const entries = await pruneByFilter(context.archive, all, questionsOf(need.hints, request.filters))
  figures.segmentsSpared += all.length - entries.length
  figures.segmentsFetched += entries.length
  const isWide = need.columns.includes('raw')
  const source = wholeObjects(countedStore(store, figures), { entries, isWide })
  await fetchSegments({
    archive: openArchive({ store: source.store, keys }),
    onRead: source.done,
    entries,
    columns: need.columns,
    hints: need.hints,
    signal,
    onFile: bytes => feed(running, need.table, { bytes, isArchived: true }),
    onErased: () => (figures.segmentsErased += 1),
  })
}

async function fetchTail(running: Running, { need, newest }: Sources): Promise<void> {
  const { context, request, figures, signal } = running
  const { bus } = context.options
  if (bus === undefined || request.tail === false) return
  const { tenants } = request
  const { maxTailBytes: maxBytes } = context.limits
  const tail = await readTail({ bus, topic: need.topic, newest, tenants, maxBytes, signal })
  for (const bytes of tail.files) await feed(running, need.table, { bytes, isArchived: false })
  figures.tailRows += tail.rows
  figures.isTailComplete &&= tail.isComplete
}

async function prepare(running: Running): Promise<void> {
  const { context, signal, sandbox, figures } = running
  // The process starts while the catalogue catches up.
  const [scans, catalogue] = await Promise.all([sandbox.plan(), context.catalogue(signal)])
  figures.segments = catalogue.count().segments
  const needs = needsOf(scans)
  // Both from one moment: a row is either in a segment or behind the newest manifest.
  const sources = catalogue.snapshot(() => needs.map(need => sourcesFor(running, catalogue, need)))
  await Promise.all(sources.flatMap(each => [fetchTable(running, each), fetchTail(running, each)]))
}

function newFigures(): Figures {
  return {
    rows: 0,
    isTruncated: false,
    segments: 0,
    segmentsFetched: 0,
    segmentsSpared: 0,
    segmentsErased: 0,
    requests: 0,
    bytes: 0,
    tailRows: 0,
    isTailComplete: true,
    elapsedMs: 0,
  }
}

function openFor(context: EngineContext, request: QueryRequest, signal: AbortSignal): Sandbox {
  const { limits, processes } = context
  const { memoryMb, threads, maxOutputBytes } = limits
  const maxRows = request.limit ?? limits.maxRows
  const timeoutMs = Math.min(request.timeoutMs ?? limits.timeoutMs, limits.timeoutMs)
  return openSandbox(processes.take(), {
    sql: request.sql ?? '',
    limits: { memoryMb, threads, maxOutputBytes, maxRows, timeoutMs },
    output: request.output ?? 'rows',
    signal,
  })
}

/** The rows, and `onEnd` with how many were read, whether that was to their end or not. */
async function* ending(
  rows: AsyncIterable<readonly Value[]>,
  onEnd: (count: number) => Promise<void>,
): AsyncGenerator<readonly Value[]> {
  let count = 0
  try {
    for await (const row of rows) {
      count += 1
      yield row
    }
  } finally {
    await onEnd(count)
  }
}

/** Plans, fetches what the plan needs, and runs the query in its own process. */
export async function runQuery(context: EngineContext, request: QueryRequest): Promise<QueryResult> {
  const startedMs = performance.now()
  // Fetching stops with the query, whoever ends it.
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, request.signal ?? ended.signal])
  const sandbox = openFor(context, request, signal)
  const figures = newFigures()
  const running: Running = { context, request, signal, sandbox, figures, files: 0, inputBytes: 0 }
  const end = async (): Promise<void> => {
    ended.abort()
    await sandbox[Symbol.asyncDispose]()
  }
  try {
    await prepare(running)
    const { columns, rows, end: endOf } = await sandbox.run()
    const onEnd = async (read: number): Promise<void> => {
      const { count, isTruncated } = endOf()
      figures.rows = count === 0 ? read : count
      figures.isTruncated = isTruncated
      figures.elapsedMs = performance.now() - startedMs
      await end()
    }
    return {
      columns,
      rows: ending(rows, onEnd),
      figures: () => ({ ...figures }),
      [Symbol.asyncDispose]: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}
