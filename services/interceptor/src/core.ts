import type { Packer } from './batch.ts'
import { repeat, type Clock } from './clock.ts'
import { createLane, type Lane, type LaneStats } from './lane.ts'
import { observeChannel, type Channel, type ObserveLimits } from './observe.ts'
import { fenced, problem, throttled, type OnProblem } from './problem.ts'
import { createPublisher, type PublisherStats } from './publisher.ts'
import type { AdminAct, ChannelInfo, Entry, Exchange, Labels } from './record.ts'
import { createRing } from './ring.ts'
import { createRounds } from './rounds.ts'
import type { Sink } from './sink.ts'

export type { Packer, SealedRecord, Sealer } from './batch.ts'
export type { Clock } from './clock.ts'
export type { Arrival, Channel } from './observe.ts'
export type { Body, ChannelInfo, Context, Direction } from './record.ts'
export { createBusSink, createSpoolSink, type Sink } from './sink.ts'
export { createMemorySpool, type Spool } from './spool/spool.ts'

/** Everything that an interceptor core needs of its surroundings; nothing is read from anywhere else. */
export interface CoreOptions {
  /** A name that no other process has or had. */
  readonly instance: string
  readonly epoch: number
  readonly version: string
  readonly tenant: string
  readonly clock: Clock
  readonly random: (size: number) => Uint8Array
  readonly packer: Packer
  readonly sink: Sink
  readonly onProblem: OnProblem
  readonly ringMaxBytes: number
  /** How long a record may wait for others before its batch is closed (default 20 ms). */
  readonly windowMs?: number
  /** How often an idle lane says that it lives (default 30 s). */
  readonly heartbeatMs?: number
  /** When a request without an answer is recorded as unanswered (default one hour). */
  readonly deadlineMs?: number
  readonly limits?: ObserveLimits
}

/** What is known of a channel before its first message. */
export interface ChannelParts {
  readonly labels?: Labels
}

/** Records what its channels see in one lane and gets it to the sink. */
export interface Core {
  readonly lane: string
  readonly open: (info: ChannelInfo, parts?: ChannelParts) => Channel
  /** Records at once what must be durable before something else may happen: a promise of that, or nothing where it was lost. */
  readonly recordFirst: (exchange: Exchange) => Promise<void> | undefined
  /** Records an administrative act. */
  readonly act: (act: AdminAct) => void
  /** Resolves when everything recorded so far is durable. */
  readonly flush: () => Promise<void>
  /** Ends open requests and the lane, and resolves when that is durable. */
  readonly close: () => Promise<void>
  /** Writes what is left at once and goes on; returns how many records could not be written. */
  readonly flushSync: () => number
  /** Closes at once, as the last act of a process; returns how many records were lost. */
  readonly closeSync: () => number
  readonly stats: () => LaneStats & PublisherStats
}

const defaults = { windowMs: 20, heartbeatMs: 30_000, deadlineMs: 3_600_000 } as const

/** Opens a lane on a ring, with the publisher behind it. */
function openLane(
  options: CoreOptions,
  onProblem: OnProblem,
): { lane: Lane; publisher: ReturnType<typeof createPublisher> } {
  const { instance, epoch, clock, ringMaxBytes, windowMs = defaults.windowMs } = options
  const ring = createRing<Entry>(ringMaxBytes)
  const onLoss = (): void =>
    onProblem(
      problem(
        'LIMIT_EXCEEDED',
        `Observations are being dropped and counted: ${ringMaxBytes} bytes wait in memory, or the process had ended.`,
        'Bring the bus back, free disk space, or raise ringMaxBytes; a gap event will name the range.',
      ),
    )
  const describe = { ...options, rounds: createRounds() }
  const publisher = createPublisher({ ...options, ring, describe, onProblem, windowMs, lane: () => lane })
  const name = `${instance}/${epoch}`
  const lane = createLane({ name, ring, ringMaxBytes, clock, onLoss, onEntry: publisher.notify })
  return { lane, publisher }
}

/** Makes the core of an interceptor: pure of process, network and disk, all of which come in through its options. */
export function createInterceptorCore(options: CoreOptions): Core {
  const { clock, limits, deadlineMs = defaults.deadlineMs } = options
  const { lane, publisher } = openLane(options, throttled(fenced(options.onProblem), clock.nowMs))
  const bounds = limits === undefined ? {} : { limits }
  const busy = new Set<Channel>()
  const onBusy = (isBusy: boolean, channel: Channel): unknown =>
    isBusy ? busy.add(channel) : busy.delete(channel)
  const stopHeartbeat = repeat(clock, options.heartbeatMs ?? defaults.heartbeatMs, lane.alive)
  const stopSweep = repeat(clock, Math.min(60_000, deadlineMs), () => {
    for (const channel of busy) channel.expire(clock.monotonicMs() - deadlineMs)
  })

  function open(info: ChannelInfo, { labels = {} }: ChannelParts = {}): Channel {
    return observeChannel({ info, clock, onBusy, labels, emit: lane.record, ...bounds })
  }
  function end(): void {
    for (const channel of busy) channel.close('shutdown')
    stopHeartbeat()
    stopSweep()
    lane.end()
  }
  const { flush, flushSync } = publisher
  const { name, act } = lane
  return {
    lane: name,
    open,
    act,
    recordFirst: exchange => publisher.durable(lane.record(exchange)),
    flush,
    flushSync,
    close: () => {
      end()
      return flush()
    },
    closeSync: () => {
      end()
      return flushSync()
    },
    stats: () => ({ ...lane.stats(), ...publisher.stats() }),
  }
}
