import { join } from 'node:path'
import type { Packer, SealedRecord } from './batch.ts'
import { noCancel, systemClock } from './clock.ts'
import { openCollectorPublisher } from './collector/client.ts'
import { instanceOn } from './collector/device.ts'
import { createCompressor } from './compress.ts'
import { followFile } from './control/file.ts'
import { needControlKeys, readControlKeys } from './control/keys.ts'
import { createInterceptorCore, type Core } from './core.ts'
import type { Arriving, FollowControl } from './guard/guard.ts'
import { createIngestKey } from './ingest-key.ts'
import { openRawPublisher, type RawPublisher } from './kafka.ts'
import { onLastMoment } from './last-moment.ts'
import type { Settings } from './settings.ts'
import { openPackThread, type PackThread } from './pack-thread.ts'
import { problem, problemOf, throttled, type OnProblem, type Problem } from './problem.ts'
import { createRandom } from './random.ts'
import { createBusSink, createSpoolSink, type Sink } from './sink.ts'
import { drainSpool } from './spool/drain.ts'
import { openFileSpool } from './spool/files.ts'
import type { Spool } from './spool/spool.ts'
import { version } from './version.ts'

/** The recorder of this process for one destination, shared by everything that is attached to it. */
export interface Host {
  readonly core: Core
  /** Follows control decisions for as long as the recorder lives. Throws `CONFIG_INVALID` where they could not be verified. */
  readonly follow: FollowControl
  /** A name for one more channel, unique within the lane and, by its instance, everywhere. */
  readonly nextChannelId: () => string
  /** Whether there is a key to seal to. */
  readonly canSeal: () => boolean
  /** Whether everything recorded so far became durable in time. */
  readonly isFlushed: (deadlineMs: number) => Promise<boolean>
  /** Ends the lane and waits until that is durable, at most `deadlineMs`; what is not durable then is written at once. */
  readonly close: (deadlineMs: number) => Promise<void>
}

/** How long a process that has nothing left to do is kept for what was observed. */
const lastMomentMs = 1500

const random = createRandom()

/** Publishes what processes that are gone left on this disk; tried once, for a broken bus leaves it where it is. */
async function drainLeftovers(dir: string, bus: RawPublisher, onProblem: OnProblem): Promise<void> {
  const failed = new AbortController()
  const publish = async (records: readonly SealedRecord[]): Promise<void> => {
    try {
      await bus.publish(records)
    } catch (error) {
      failed.abort()
      throw error
    }
  }
  await drainSpool({ dir, publish, onProblem, signal: failed.signal, untilEmpty: true, onlyAbandoned: true })
}

interface RemoteWay {
  readonly bus: RawPublisher
  readonly spool: Spool
}

function openRemoteSink(settings: Settings, { bus, spool }: RemoteWay, onProblem: OnProblem): Sink {
  const sink = createBusSink({
    spool,
    clock: systemClock,
    onProblem,
    publish: records => bus.publish(records),
  })
  let isFirst = true
  return {
    ...sink,
    write: async records => {
      await sink.write(records)
      if (!isFirst) return
      isFirst = false
      drainLeftovers(join(settings.home, 'spool'), bus, onProblem).catch((error: unknown) =>
        onProblem(problemOf(error, 'What earlier processes left could not be published')),
      )
    },
    [Symbol.asyncDispose]: async () => {
      await sink[Symbol.asyncDispose]()
      await bus[Symbol.asyncDispose]()
    },
  }
}

type Listen = (arriving: Arriving) => void
type Stop = () => void

interface Way {
  readonly sink: Sink
  /** Follows decisions as closely as calls need that are judged by them. */
  readonly follow: (listen: Listen) => Stop
  /** The same for who has time, and does without where nothing could be verified. */
  readonly followKeys: (listen: Listen) => Stop
}

/** A new key may take a while to be used: the old one opens as long as anything is sealed to it. */
const followKeysEveryMs = 1000

function openRemoteWay(settings: Settings, remote: RemoteWay, onProblem: OnProblem): Way {
  const { bus } = remote
  return {
    sink: openRemoteSink(settings, remote, onProblem),
    follow: listen => bus.follow(needControlKeys(settings), listen),
    followKeys: listen => {
      const keys = readControlKeys(settings)
      return keys.length === 0 ? noCancel : bus.follow(keys, listen)
    },
  }
}

function openWay(settings: Settings, lane: string, onProblem: OnProblem): Way {
  const { home, spoolMaxBytes: maxBytes } = settings
  const spool = openFileSpool({ dir: join(home, 'spool'), lane, maxBytes })
  const { device } = settings
  if (device !== undefined) {
    const bus = openCollectorPublisher({ url: new URL(settings.bus), device, onProblem })
    return openRemoteWay(settings, { bus, spool }, onProblem)
  }
  if (settings.bus === 'embedded:')
    return {
      sink: createSpoolSink(spool),
      follow: listen => followFile(settings, systemClock, { listen }),
      followKeys: listen => followFile(settings, systemClock, { listen, everyMs: followKeysEveryMs }),
    }
  return openRemoteWay(settings, { bus: openRawPublisher(settings), spool }, onProblem)
}

interface Opened extends Pick<Way, 'sink' | 'follow'> {
  readonly core: Core
  readonly sealer: Packer['sealer']
  readonly thread: PackThread
  readonly stopKeys: Stop
}

function openCore(settings: Settings, instance: string): Opened {
  const clock = systemClock
  const { tenant, ringMaxBytes } = settings
  const epoch = 0
  const onProblem = throttled(settings.onProblem, clock.monotonicMs)
  const { sealer, hear } = createIngestKey({ ...settings, onProblem }, clock)
  const thread = openPackThread(onProblem)
  const packer = { ...createCompressor(), sealer, packElsewhere: thread.pack }
  const { sink, follow, followKeys } = openWay(settings, `${instance}/${epoch}`, onProblem)
  const core = createInterceptorCore({
    instance,
    epoch,
    version,
    tenant,
    clock,
    random,
    packer,
    sink,
    onProblem,
    ringMaxBytes,
  })
  return { core, sink, follow, sealer, thread, stopKeys: followKeys(hear) }
}

/** Whether something ends in time. The process is kept alive meanwhile, because nothing of ours does that. */
async function until(end: Promise<void>, deadlineMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(false), deadlineMs)
  })
  try {
    return await Promise.race([end.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

/** A name that no other process has; behind a collector it begins with the device's. */
function newInstance({ device }: Settings): string {
  const unique = Buffer.from(random(8)).toString('hex')
  return device === undefined ? unique : instanceOn(device.name, unique)
}

function lossOf(lost: number, canSeal: boolean): Problem {
  const what = `${lost} observations were lost when the process ended`
  if (canSeal) return problem('DISK_UNUSABLE', `${what}.`)
  return problem(
    'SECRET_MISSING',
    `${what}: there was no ingest key to seal them to, and nothing is kept unsealed.`,
    'Before the next start, run `muniment up` once with the same MUNIMENT_HOME, or set MUNIMENT_INGEST_KEY.',
  )
}

/** Opens a recorder; its own connections and timers never keep the process alive. */
export function openHost(settings: Settings): Host {
  const instance = newInstance(settings)
  const { core, sink, follow, sealer, thread, stopKeys } = openCore(settings, instance)
  const stops = [stopKeys]
  let channels = 0
  let isClosed = false
  const tellLoss = (lost: number): void => {
    if (lost > 0) settings.onProblem(lossOf(lost, sealer() !== undefined))
  }
  const ended = async (): Promise<void> => {
    await core.close()
    await sink.drained()
  }
  const forget = onLastMoment({
    close: async () => {
      if (sealer() !== undefined) await until(ended(), lastMomentMs)
    },
    flushSync: () => tellLoss(core.flushSync()),
    closeSync: () => tellLoss(core.closeSync()),
  })
  return {
    core,
    follow: listen => void stops.push(follow(listen)),
    nextChannelId: () => `${instance}.${(channels++).toString(36)}`,
    canSeal: () => sealer() !== undefined,
    isFlushed: async deadlineMs => await until(core.flush(), deadlineMs),
    close: async deadlineMs => {
      if (isClosed) return
      isClosed = true
      for (const stop of stops) stop()
      try {
        if (!(await until(ended(), deadlineMs))) tellLoss(core.flushSync())
        await sink[Symbol.asyncDispose]()
        await thread[Symbol.asyncDispose]()
      } finally {
        forget()
      }
    },
  }
}

const hosts = new Map<string, Host>()

/** The recorder for these settings: one per process and destination. */
export function hostOf(settings: Settings): Host {
  const { bus, home, ingestKey, topicPrefix, device } = settings
  const name = JSON.stringify([bus, home, ingestKey, topicPrefix, device?.name])
  const found = hosts.get(name)
  if (found !== undefined) return found
  const host = openHost(settings)
  hosts.set(name, host)
  return host
}
