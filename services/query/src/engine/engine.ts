import { dirname, join } from 'node:path'
import { openArchive, type Archive, type ArchiveStore } from '@muniment/archive'
import type { Bus } from '@muniment/bus'
import type { Keys } from '@muniment/keys'
import { AppError } from '@muniment/schema'
import type { Column, Output, Value } from '../sandbox/protocol.ts'
import { createProcessPool, type ProcessPool } from '../sandbox/processes.ts'
import { openCatalogue, type Catalogue } from './catalogue.ts'
import { catchUp, checkCatalogue } from './catch-up.ts'
import { runNewest } from './newest.ts'
import type { Filters } from './request.ts'
import { runQuery } from './run.ts'
import { showRecord, type ShownRecord } from './show.ts'

/** What a query engine is made of. */
export interface QueryEngineOptions {
  readonly store: ArchiveStore
  readonly keys: Pick<Keys['segmentKeys'], 'openDataKey'>
  /** File of the catalogue: a cache, rebuilt where it is missing. */
  readonly cachePath: string
  /** Where records are that are not archived yet; without it queries see the archive alone. */
  readonly bus?: Bus | undefined
  readonly limits?: Partial<QueryLimits>
  /** Told of every read before anything of it is given out; where it rejects, nothing is. */
  readonly onRead?: (read: ReadFacts) => Promise<void>
  /** Keeps a process (about 80 MB) waiting, so that answers come 0.1 to 0.2 s sooner. For those who are asked again and again. */
  readonly keepsSpareProcess?: boolean
}

/** Who reads, as verified. */
export interface Reader {
  readonly id: string
  readonly client_id?: string
  readonly issuer?: string
  readonly scopes?: readonly string[]
  readonly method: string
}

/** What somebody reads; `by` is left out where it is whoever runs this process. */
export type ReadFacts = { readonly by?: Reader } & (
  | {
      readonly kind: 'query'
      readonly question: Pick<QueryRequest, 'sql' | 'filters'>
      /** All where left out. */
      readonly tenants?: readonly string[]
    }
  | { readonly kind: 'show'; readonly id: string; readonly tenants?: readonly string[] }
)

/** Bounds of one query. */
export interface QueryLimits {
  readonly maxRows: number
  readonly timeoutMs: number
  /** Of the process that runs the SQL. */
  readonly memoryMb: number
  readonly threads: number
  /** Decrypted bytes handed to that process. */
  readonly maxInputBytes: number
  readonly maxOutputBytes: number
  /** Bytes read from the bus for what is not archived yet. */
  readonly maxTailBytes: number
}

/** A question: SQL over the views `events`, `alerts`, `audit` and `control`, or filters. */
export interface QueryRequest {
  readonly sql?: string
  readonly filters?: Filters
  /** The tenants whose rows may be seen; all where left out. */
  readonly tenants?: readonly string[]
  /** Most rows; for filters also how many of the newest. */
  readonly limit?: number
  /** `false`: only what is archived. */
  readonly tail?: boolean
  readonly timeoutMs?: number
  /** `parquet`: one file, in pieces of base64 text in the one column `parquet`. */
  readonly output?: Output
  /** For the record of reads. */
  readonly by?: Reader
  readonly signal?: AbortSignal
}

/** What answering took. */
export interface QueryFigures {
  readonly rows: number
  /** Whether a limit cut the rows. */
  readonly isTruncated: boolean
  /** Segments in the archive, those fetched, those that their filters spared, and those of tenants whose key was destroyed. */
  readonly segments: number
  readonly segmentsFetched: number
  readonly segmentsSpared: number
  readonly segmentsErased: number
  /** Reads of the store, and bytes they returned. */
  readonly requests: number
  readonly bytes: number
  /** Rows that are on the bus only, and whether that was all of them. */
  readonly tailRows: number
  readonly isTailComplete: boolean
  readonly elapsedMs: number
}

/** An answer as it comes; it holds a process until its rows are read or it is disposed. */
export interface QueryResult extends AsyncDisposable {
  readonly columns: readonly Column[]
  readonly rows: AsyncIterable<readonly Value[]>
  /** Complete when the rows have ended. */
  readonly figures: () => QueryFigures
}

/** Answers questions about what was archived and what is about to be. */
export interface QueryEngine extends AsyncDisposable {
  /** Throws `QUERY_INVALID` with what is wrong, `QUERY_LIMIT` where it needs more than it may have. */
  readonly query: (request: QueryRequest) => Promise<QueryResult>
  /** One event or alert with its evidence line; `undefined` where there is none that `tenants` may see. */
  readonly show: (id: string, options?: ShowOptions) => Promise<ShownRecord | undefined>
}

/** Who asks for a record. */
export interface ShowOptions {
  readonly tenants?: readonly string[]
  /** For the record of reads. */
  readonly by?: Reader
  readonly signal?: AbortSignal
}

const defaultLimits: QueryLimits = {
  maxRows: 10_000,
  timeoutMs: 30_000,
  memoryMb: 1024,
  threads: 2,
  maxInputBytes: 1024 * 1024 * 1024,
  maxOutputBytes: 64 * 1024 * 1024,
  maxTailBytes: 32 * 1024 * 1024,
}

/** What every question is answered with. */
export interface EngineContext {
  readonly options: QueryEngineOptions
  readonly archive: Archive
  readonly limits: QueryLimits
  readonly processes: ProcessPool
  /** The catalogue, brought to the archive's newest manifests. */
  readonly catalogue: (signal: AbortSignal) => Promise<Catalogue>
}

/** Opens the catalogue on first use, so that an engine that is never asked costs nothing. */
function createCatalogue(archive: Archive, path: string): Pick<EngineContext, 'catalogue'> & AsyncDisposable {
  let opened: Promise<Catalogue> | undefined
  // One after another, so that no manifest is fetched twice.
  let last: Promise<unknown> = Promise.resolve()
  const open = async (signal: AbortSignal): Promise<Catalogue> => {
    const catalogue = openCatalogue(path)
    await checkCatalogue({ archive, catalogue, signal })
    return catalogue
  }
  return {
    async catalogue(signal) {
      opened ??= open(signal)
      opened.catch(() => (opened = undefined))
      const catalogue = await opened
      const run = last.then(() => catchUp({ archive, catalogue, signal }))
      last = run.catch(() => undefined)
      await run
      return catalogue
    },
    async [Symbol.asyncDispose]() {
      const catalogue = await opened?.catch(() => undefined)
      catalogue?.[Symbol.dispose]()
    },
  }
}

function factsOf({ sql, filters, tenants, by }: QueryRequest): ReadFacts {
  const question = { ...(sql !== undefined && { sql }), ...(filters !== undefined && { filters }) }
  return { kind: 'query', question, ...(tenants && { tenants }), ...(by && { by }) }
}

/** An answer that is only given out once it is recorded that it was asked for; recording takes no time from answering. */
async function recorded<T>(
  answering: Promise<T>,
  record: Promise<void>,
  undo: (value: T) => Promise<void>,
): Promise<T> {
  const [answered, noted] = await Promise.allSettled([answering, record])
  if (answered.status === 'rejected') throw answered.reason
  if (noted.status === 'fulfilled') return answered.value
  await undo(answered.value)
  throw noted.reason
}

async function answer(context: EngineContext, request: QueryRequest): Promise<QueryResult> {
  const { maxRows } = context.limits
  const limit = Math.min(request.limit ?? maxRows, maxRows)
  const { sql, filters } = request
  if (sql === undefined) return runNewest(context, { ...request, filters: filters ?? {}, limit })
  if (filters === undefined) return runQuery(context, { ...request, sql, limit })
  throw new AppError('QUERY_INVALID', 'A query has either SQL or filters, not both.')
}

/** Opens an engine; nothing is read before it is asked. */
export function createQueryEngine(options: QueryEngineOptions): QueryEngine {
  const { store, keys } = options
  const archive = openArchive({ store, keys })
  const source = createCatalogue(archive, options.cachePath)
  const limits = { ...defaultLimits, ...options.limits }
  const codeCache = join(dirname(options.cachePath), 'code')
  const processes = createProcessPool({ keepsSpare: options.keepsSpareProcess ?? false, codeCache })
  const context: EngineContext = { options, archive, limits, processes, catalogue: source.catalogue }
  const { onRead = async () => undefined } = options
  return {
    query: async request =>
      await recorded(answer(context, request), onRead(factsOf(request)), async result => {
        await result[Symbol.asyncDispose]()
      }),
    async show(id, wanted = {}) {
      const { tenants, by } = wanted
      const noted = onRead({ kind: 'show', id, ...(tenants && { tenants }), ...(by && { by }) })
      return await recorded(showRecord(context, id, wanted), noted, async () => undefined)
    },
    async [Symbol.asyncDispose]() {
      await processes[Symbol.asyncDispose]()
      await source[Symbol.asyncDispose]()
    },
  }
}
