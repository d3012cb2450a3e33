import { dirname, join } from 'node:path'
import { openArchive, type Archive } from '@muniment/archive'
import { AppError } from '@muniment/schema'
import { createProcessPool } from '../sandbox/processes.ts'
import { openCatalogue, type Catalogue } from './catalogue.ts'
import { catchUp, checkCatalogue } from './catch-up.ts'
import type {
  EngineContext,
  QueryEngine,
  QueryEngineOptions,
  QueryLimits,
  QueryRequest,
  QueryResult,
  ReadFacts,
} from './contract.ts'
import { runNewest } from './newest.ts'
import { runQuery } from './run.ts'
import { showRecord } from './show.ts'

const defaultLimits: QueryLimits = {
  maxRows: 10_000,
  timeoutMs: 30_000,
  memoryMb: 1024,
  threads: 2,
  maxInputBytes: 1024 * 1024 * 1024,
  maxOutputBytes: 64 * 1024 * 1024,
  maxTailBytes: 32 * 1024 * 1024,
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
