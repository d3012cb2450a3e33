// The archive's store and the workers' state as one process sees them: requests travel, are refused, or are done although
// their reply is lost.
import type { ArchiveStore } from '@muniment/archive'
import type { StateStore } from '@muniment/state'
import { unreachable, type Surroundings } from './broker.ts'
import type { FaultKind } from './faults.ts'
import type { Process } from './process.ts'

const requestMs = 10
const stallMs = 4000

interface Service {
  readonly name: 'store' | 'state'
  readonly fails: FaultKind
  readonly replyLost: FaultKind
}

const storeService: Service = { name: 'store', fails: 'storeFails', replyLost: 'storeReplyLost' }
const stateService: Service = { name: 'state', fails: 'stateFails', replyLost: 'stateReplyLost' }

type Ask = <T>(what: string, act: () => Promise<T>) => Promise<T>

/** How a process asks a service that is far away. */
function asking(surroundings: Surroundings, process: Process, service: Service): Ask {
  const { time, random, faults, trace } = surroundings
  const { name, fails, replyLost } = service
  return async (what, act) => {
    await process.pause(random.between(0, requestMs))
    const isAway = name === 'store' && faults.away.has('store')
    if (isAway || faults.happens(fails)) {
      trace(process.name, `${name}: ${what}: not reached`)
      await process.pause(random.between(0, stallMs))
      throw unreachable(name)
    }
    // Done far away, whether or not the process is there to hear of it.
    await time.pause(random.between(0, requestMs))
    const result = await act()
    const isLost = faults.happens(replyLost)
    if (isLost) trace(process.name, `${name}: ${what}: done, but the reply is lost`)
    await process.pause(random.between(0, isLost ? stallMs : requestMs))
    if (isLost) throw unreachable(name)
    return result
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** Opens the store for a process. */
export function openSimStore(
  store: ArchiveStore,
  surroundings: Surroundings,
  process: Process,
): ArchiveStore {
  const ask = asking(surroundings, process, storeService)
  const { trace } = surroundings
  return {
    put: object =>
      ask(`put ${object.key}`, async () => {
        const result = await store.put(object)
        trace(process.name, `store: ${object.key}: ${result.kind}`)
        return result
      }),
    get: (key, options) => ask(`get ${key}`, () => store.get(key, options)),
    // The notary looks at every partition there could be: not worth a journey each.
    head: async (key, version) => {
      const found = await store.head(key, version)
      return found === undefined ? found : ask(`head ${key}`, () => store.head(key, version))
    },
    async *list(prefix, options) {
      yield* await ask(`list ${prefix}`, () => all(store.list(prefix, options)))
    },
    checkpoint: {
      read: () => ask('read checkpoint', () => store.checkpoint.read()),
      replace: (bytes, tag) => ask('replace checkpoint', () => store.checkpoint.replace(bytes, tag)),
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** Opens the state for a process. */
export function openSimState(state: StateStore, surroundings: Surroundings, process: Process): StateStore {
  const ask = asking(surroundings, process, stateService)
  return {
    get: key => ask(`get ${key}`, () => state.get(key)),
    put: (key, value, expected) => ask(`put ${key}`, () => state.put(key, value, expected)),
    delete: key => ask(`delete ${key}`, () => state.delete(key)),
    async *list(prefix) {
      yield* await ask(`list ${prefix}`, () => all(state.list(prefix)))
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
