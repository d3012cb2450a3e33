import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '@muniment/runtime'
import { isAppError, type AppError } from '@muniment/schema'
import { createQueryEngine, type QueryEngine, type QueryLimits } from '@muniment/query'
import { openBusOf, openKeysOf, openStoreOf } from './context.ts'
import { createReadLog, readAct } from './reads.ts'

/** A query engine on what the configuration names. */
export interface OpenEngine extends AsyncDisposable {
  readonly engine: QueryEngine
}

/** How the engine will be used. */
export interface EngineUse {
  /** `false` leaves the bus alone. */
  readonly withTail: boolean
  /** `true` keeps a process waiting for the next query: for those that ask again and again. */
  readonly keepsSpareProcess?: boolean
  /** Told of a read that could not be recorded. */
  readonly onUnrecorded: (error: AppError) => void
  readonly limits?: Partial<QueryLimits>
}

/** Most rows of one query; they are printed as they come. */
export const maxRows = 1_000_000

/** Opens store, keys and bus for reading. */
export async function openEngineOf(config: Config, use: EngineUse): Promise<OpenEngine> {
  const { withTail, keepsSpareProcess = false, onUnrecorded, limits } = use
  const stack = new AsyncDisposableStack()
  const { keys } = stack.use(await openKeysOf(config))
  const bus = withTail ? await busOrNone(config, stack) : undefined
  const cache = join(config.home, 'cache')
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const reads = stack.use(createReadLog(config, onUnrecorded))
  const engine = stack.use(
    createQueryEngine({
      store: await openStoreOf(config),
      keys: keys.segmentKeys,
      cachePath: join(cache, 'catalogue.db'),
      bus,
      keepsSpareProcess,
      onRead: async read => await reads.record(readAct(read)),
      limits: { maxRows, maxOutputBytes: 1024 * 1024 * 1024, ...limits },
    }),
  )
  return { engine, [Symbol.asyncDispose]: async () => stack.disposeAsync() }
}

/** The archive must be readable where the bus is not. */
async function busOrNone(
  config: Config,
  stack: AsyncDisposableStack,
): Promise<Awaited<ReturnType<typeof openBusOf>> | undefined> {
  try {
    return stack.use(await openBusOf(config))
  } catch (error) {
    if (isAppError(error, 'DEPENDENCY_UNREACHABLE')) return undefined
    throw error
  }
}
