import { AppError, topic } from '@muniment/schema'
import type { Bus } from '@muniment/bus/kafka'
import type { SealedRecord } from './batch.ts'
import { noCancel, type Clock } from './clock.ts'
import type { Settings } from './options.ts'

/** Publishes to `mcp.calls.raw` on Kafka. */
export interface RawPublisher extends AsyncDisposable {
  publish(records: readonly SealedRecord[]): Promise<void>
}

/**
 * A connection keeps its process alive, and an observed process must be able to end when its own work is done: after this
 * long without a batch the connection is given up, and made again for the next one.
 */
const idleMs = 5000
/** How long a batch may take; long before it what follows goes to the spool. */
const publishTimeoutMs = 30_000

async function connect({ bus, kafka, topicPrefix }: Settings): Promise<Bus> {
  if (kafka === undefined) throw new AppError('CONFIG_INVALID', `The bus ${bus} has no brokers.`)
  // The client is large and many processes never publish: it is loaded for the first batch.
  const { openKafkaBus } = await import('@muniment/bus/kafka')
  const prefix = topicPrefix === undefined ? {} : { topicPrefix }
  return await openKafkaBus({ kind: 'kafka', publishTimeoutMs, ...prefix, ...kafka })
}

/** Opens the way to Kafka; connects for the first batch and reconnects by itself. */
export function openRawPublisher(settings: Settings, clock: Clock): RawPublisher {
  let connection: Promise<Bus> | undefined
  let inHand = 0
  let stopWaiting = noCancel

  async function disconnect(): Promise<void> {
    stopWaiting()
    const open = connection
    connection = undefined
    const bus = await open?.catch(() => undefined)
    await bus?.[Symbol.asyncDispose]()
  }
  return {
    publish: async records => {
      stopWaiting()
      inHand += 1
      connection ??= connect(settings)
      try {
        await (await connection).publish(topic.raw, records)
      } finally {
        inHand -= 1
        if (inHand === 0) stopWaiting = clock.after(idleMs, () => void disconnect().catch(() => undefined))
      }
    },
    [Symbol.asyncDispose]: disconnect,
  }
}
