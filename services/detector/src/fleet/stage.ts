import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus, Consumer } from '@muniment/bus'
import { decisionRecord, signDecision, type ControlSigner } from '@muniment/keys'
import { retryWhileUnreachable, type Logger, type Task } from '@muniment/runtime'
import { signalSchema, topic } from '@muniment/schema'
import { createFleetMembers, type FleetMembers, type FleetTimes } from './members.ts'

const group = 'muniment.detector.fleet'
const defaultTimes: FleetTimes = { lifeMs: 60_000, skewMs: 30_000, silentMs: 60_000 }
/** Of the life of a decision: one that is lost leaves the share as it is. */
const saidPerLife = 3

/** What the counting of fleets is made of. */
export interface FleetStageOptions {
  readonly bus: Bus
  readonly signer: ControlSigner
  readonly log: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly times?: FleetTimes
}

const seen = signalSchema.pick({ tenant: true, server: true, lane: true, kind: true })

function note(members: FleetMembers, value: Uint8Array): void {
  try {
    const signal = seen.safeParse(JSON.parse(Buffer.from(value).toString())).data
    if (signal !== undefined) members.see(signal)
  } catch {
    // The behaviour stage puts it aside and tells.
  }
}

async function count(
  { bus, log }: FleetStageOptions,
  members: FleetMembers,
  signal: AbortSignal,
): Promise<void> {
  const read = async (): Promise<void> => {
    for await (const { value } of bus.read({ topic: topic.signals, from: 'end', signal }))
      note(members, value)
  }
  await retryWhileUnreachable(read, { signal, log })
}

async function say(options: FleetStageOptions, members: FleetMembers, signal: AbortSignal): Promise<void> {
  const { bus, signer, now, log, times = defaultTimes } = options
  for (;;) {
    await sleep(times.lifeMs / saidPerLife, undefined, { signal, ref: false })
    const decided = members
      .drafts()
      .map(draft => signDecision(draft, { signer, nowMs: now(), previous: undefined }))
    if (decided.length > 0)
      await retryWhileUnreachable(() => bus.publish(topic.control, decided.map(decisionRecord)), {
        signal,
        log,
      })
  }
}

/** For as long as this process is the one that says who shares. */
async function lead(options: FleetStageOptions, signal: AbortSignal): Promise<void> {
  const { now, times = defaultTimes } = options
  const members = createFleetMembers(times, now)
  try {
    await Promise.all([count(options, members, signal), say(options, members, signal)])
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/**
 * Tells the processes of a fleet their shares of its limits: `mcp.signals` → `mcp.control`. One process does it at a time, whoever holds the one
 * partition of `mcp.control`; each begins from nothing.
 */
export function createFleetStage(options: FleetStageOptions): Task {
  return {
    run: async signal => {
      let leading: AbortController | undefined
      const failed = Promise.withResolvers<never>()
      const end = new AbortController()
      const until = AbortSignal.any([signal, end.signal])
      const stop = (): void => leading?.abort()
      const consumer: Consumer = options.bus.consume({
        group,
        topics: [topic.control],
        signal: until,
        onAssign: async partitions => {
          stop()
          if (partitions.length === 0) return []
          leading = new AbortController()
          lead(options, AbortSignal.any([until, leading.signal])).catch(failed.reject)
          return []
        },
        onRevoke: async () => stop(),
        onBatch: async ({ topic: name, partition, nextOffset }) =>
          await consumer.commit([{ topic: name, partition, offset: nextOffset }]),
      })
      try {
        await Promise.race([consumer.done, failed.promise])
      } finally {
        end.abort()
      }
      await consumer.done
    },
  }
}
