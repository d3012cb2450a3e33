import { setTimeout as delay } from 'node:timers/promises'
import { unknownTopic } from '../records.ts'
import { describeFailure, isRebalance, isUnknownTopic, judge } from './errors.ts'
import { createSession, type Ending, type Session } from './session.ts'
import { watchForStall } from './watchdog.ts'
import type { Kafka } from 'kafkajs'
import type { ConsumeOptions, Consumer, Position } from '../bus.ts'
import type { Names } from '../names.ts'
import type { Administration } from './admin.ts'

const minRestartMs = 500
const maxRestartMs = 3000
const commitRetryMs = 250
const topicLooks = 4
const topicLookMs = 500
const defaultRecords = 2000
const defaultBytes = 8 * 1024 * 1024

export interface ConsumerOptions {
  readonly client: () => Kafka
  readonly admin: Administration
  readonly names: Names
  /** Name of the group on the brokers. */
  readonly groupId: string
  readonly consume: ConsumeOptions
  /** Aborts when the consumer or the bus ends. */
  readonly ended: AbortSignal
  readonly timeoutMs: number
  readonly sessionTimeoutMs: number
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  readonly onSkip?: (position: Position) => void
}

interface Life {
  readonly options: ConsumerOptions
  session: Session | undefined
  restarts: number
  /** Whether its topics were there once: then they are waited for. */
  hasJoined: boolean
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined)
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

/** Brokers that are away are waited for; a topic that is missing is told soon, but not by a broker that has just started. */
async function checkTopics({ options, hasJoined }: Life): Promise<void> {
  if (hasJoined) return
  const { admin, consume, ended } = options
  for (const topic of consume.topics) {
    for (let looks = 1; !ended.aborted && !(await admin.isTopic(topic)); looks++) {
      if (looks === topicLooks) throw unknownTopic(topic)
      await delay(topicLookMs, undefined, { signal: ended }).catch(() => undefined)
    }
  }
}

/** One session, from joining to its end; `undefined` where the consumer was told to end. */
async function live(life: Life): Promise<Ending | undefined> {
  const { client, groupId, names, consume, ended, onSkip, sessionTimeoutMs } = life.options
  const limits = {
    records: consume.maxBatchRecords ?? defaultRecords,
    bytes: consume.maxBatchBytes ?? defaultBytes,
  }
  await checkTopics(life)
  const session = createSession({
    client: client(),
    groupId,
    topics: consume.topics,
    names,
    limits,
    sessionTimeoutMs,
    handler: consume,
    ...(onSkip !== undefined && { onSkip }),
  })
  life.session = session
  const watch = new AbortController()
  try {
    await session.join()
    life.hasJoined = true
    const stalled = watchForStall({ ...life.options, session, signal: watch.signal, restarts: life.restarts })
    const ending = await Promise.race([session.ended, stalled, aborted(ended)])
    if ((session.generation()?.batches ?? 0) > 0) life.restarts = 0
    return ending
  } finally {
    watch.abort()
    await session.close()
    life.session = undefined
  }
}

/** A new session whenever one ends, until the consumer is told to end or cannot go on. */
async function run(life: Life): Promise<void> {
  const { ended, log, groupId } = life.options
  while (!ended.aborted) {
    const ending = await live(life).catch((error: unknown): Ending => ({ kind: 'crashed', error }))
    if (ending === undefined) return
    if (ending.kind === 'failed') throw ending.error
    const failure = describeFailure(`the group ${groupId} cannot be followed`, ending.error)
    if (judge(ending.error) === 'refused' && !isUnknownTopic(ending.error)) throw failure
    log('bus.kafka.consumer.restarts', { group: groupId, reason: failure.message, restarts: life.restarts })
    const waitMs = Math.min(maxRestartMs, minRestartMs * 2 ** life.restarts)
    life.restarts++
    await delay(waitMs, undefined, { signal: ended }).catch(() => undefined)
  }
}

/** Commits as long as the partitions are held; afterwards there is nothing to commit for. */
async function commit(life: Life, positions: readonly Position[]): Promise<void> {
  const { session, options } = life
  const generation = session?.generation()
  const isCurrent = (): boolean => life.session === session && session?.generation() === generation
  const deadlineMs = performance.now() + options.timeoutMs
  while (session !== undefined && isCurrent()) {
    try {
      await session.commit(positions)
      return
    } catch (error) {
      if (isRebalance(error) || !isCurrent()) return
      const isLate = performance.now() >= deadlineMs
      if (isLate || judge(error) === 'refused') throw describeFailure('offsets could not be committed', error)
      await delay(commitRetryMs)
    }
  }
}

/** A member of a group on Kafka, which outlives the kafkajs consumers that it needs for that. */
export function startConsumer(options: ConsumerOptions): Consumer {
  const life: Life = { options, session: undefined, restarts: 0, hasJoined: false }
  const done = run(life)
  done.catch(() => undefined)
  return {
    done,
    commit: positions => commit(life, positions),
    seek: position => life.session?.seek(position),
    pause: partitions => life.session?.setPaused(partitions, true),
    resume: partitions => life.session?.setPaused(partitions, false),
  }
}
