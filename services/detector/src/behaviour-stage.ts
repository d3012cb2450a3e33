import {
  type Batch,
  type Bus,
  type BusRecord,
  type Consumer,
  type OutgoingRecord,
  type TopicPartition,
} from '@muniment/bus'
import { alertRecord, AppError, signalSchema, topic, type Signal } from '@muniment/schema'
import type { StateStore } from '@muniment/state'
import { createFold, type Fold } from './behaviour/fold.ts'
import { decodeState, emptyState, encodeState, type PartitionState } from './behaviour/state.ts'
import { retryWhileUnreachable, type Logger, type Task } from '@muniment/runtime'
import type { RulePack } from './sigma/pack.ts'
import { isPutAside, judged } from './put-aside.ts'
import { putAside, refusedRecords, type Refused } from './refused.ts'
import { signalRecord } from './signal-record.ts'

const group = 'muniment.detector.behaviour'
const stageName = 'detector.behaviour'

/** When a partition's state is written: whichever comes first, and at every orderly stop. */
export interface SnapshotPolicy {
  readonly everyRecords: number
  readonly everyMs: number
}

/** What the behaviour stage is made of. */
export interface BehaviourStageOptions {
  readonly bus: Bus
  readonly state: StateStore
  /** Rules in force, asked before each batch. */
  readonly rules: () => RulePack
  readonly log: Logger
  /** Milliseconds since the epoch; decides only when snapshots are written, never what is found. */
  readonly now: () => number
  readonly snapshot: SnapshotPolicy
  /** Told how many records were put aside, once they are dead letters. */
  readonly onDeadLetters?: ((count: number) => void) | undefined
}

interface Owned {
  fold: Fold
  /** The pack that the fold was made for. */
  pack: RulePack
  state: PartitionState
  version: string | undefined
  savedOffset: number
  savedMs: number
  /** While alerts of folded records may not be durable yet: such a state must not be written. */
  isInHand: boolean
}

interface Stage extends BehaviourStageOptions {
  readonly owned: Map<number, Owned>
  readonly alertPartitions: number
  readonly signal: AbortSignal
}

function snapshotKey(partition: number): string {
  return `detector/signals-${partition}`
}

async function firstOffset(bus: Bus, partition: number): Promise<number> {
  const states = await bus.describe(topic.signals)
  return states.find(state => state.partition === partition)?.firstOffset ?? 0
}

/** Loads the newest snapshot; where there is none, writes the one that fixes where the state begins. */
async function acquire(stage: Stage, partition: number): Promise<Owned> {
  const key = snapshotKey(partition)
  const pack = stage.rules()
  const fold = createFold(pack, partition)
  for (;;) {
    const entry = await stage.state.get(key)
    if (entry !== undefined) {
      const state = await decodeState(entry.value)
      return {
        fold,
        pack,
        state,
        version: entry.version,
        savedOffset: state.offset,
        savedMs: stage.now(),
        isInHand: false,
      }
    }
    await stage.state.put(
      key,
      await encodeState(emptyState(await firstOffset(stage.bus, partition))),
      undefined,
    )
  }
}

/** `false` where another owner has written meanwhile: this one must read again. */
async function save(stage: Stage, partition: number, owned: Owned): Promise<boolean> {
  if (owned.isInHand || owned.savedOffset === owned.state.offset) return true
  const version = await stage.state.put(snapshotKey(partition), await encodeState(owned.state), owned.version)
  if (version === undefined) return false
  Object.assign(owned, { version, savedOffset: owned.state.offset, savedMs: stage.now() })
  return true
}

/** Looks at all of it, before the fold does: what fails in the midst of a step has changed the state by then. */
function parseSignal(record: BusRecord): Signal {
  const { buffer, byteOffset, byteLength } = record.value
  try {
    const value: unknown = JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString())
    const { data } = signalSchema.safeParse(value)
    if (data !== undefined) return data
  } catch {
    // Told below: what the parser says quotes the record.
  }
  throw new AppError('SCHEMA_UNKNOWN', 'a record is no signal that this version knows')
}

/**
 * The lane of a replayed dead letter: the record's header carries a suffix that sets it apart, which the lane in the signal gets too, before the
 * mark of its aspect, as the signals of a replayed event have it. What says that numbers are lost is about the lane itself, and changes nothing twice.
 */
function replayedLane(lane: string, header: string): string {
  if (!header.startsWith(`${lane}~`) || lane.endsWith('#lost')) return lane
  const mark = lane.lastIndexOf('#')
  const suffix = header.slice(lane.length)
  return mark < 0 ? header : `${lane.slice(0, mark)}${suffix}${lane.slice(mark)}`
}

function signalIn(record: BusRecord): Signal {
  const signal = parseSignal(record)
  const lane = replayedLane(signal.lane, record.headers['mun_lane'] ?? signal.lane)
  return lane === signal.lane ? signal : { ...signal, lane }
}

/** What a batch leads to. */
interface Folded {
  readonly alerts: readonly OutgoingRecord[]
  /** For the partitions where servers are looked at as a whole. */
  readonly signals: readonly OutgoingRecord[]
  readonly refused: readonly Refused[]
}

/** Folds the records not folded yet; the state's offset moves with each, so that a replayed batch continues where it stopped. */
function foldBatch(stage: Stage, owned: Owned, batch: Batch): Folded {
  const alerts: OutgoingRecord[] = []
  const signals: OutgoingRecord[] = []
  const refused: Refused[] = []
  // All alerts of a lane go to one partition of `mcp.alerts`, so that their numbers stay contiguous there.
  const partition = batch.partition % stage.alertPartitions
  for (const record of batch.records) {
    if (record.offset < owned.state.offset) continue
    try {
      const signal = signalIn(record)
      const found = judged(() => owned.fold.step(owned.state, signal, record.timestampMs))
      for (const alert of found) alerts.push({ ...alertRecord(alert), partition })
    } catch (error) {
      if (!isPutAside(error)) throw error
      refused.push({ record, error })
      stage.log.warn('detector.refused', {
        code: error.code,
        partition: batch.partition,
        offset: record.offset,
      })
    }
    for (const made of owned.state.outbox.splice(0))
      signals.push(signalRecord(`${made.tenant}/server:${made.server ?? ''}`, made))
    owned.state.offset = record.offset + 1
  }
  signals.push(...refusedRecords(refused, stageName))
  owned.state.offset = Math.max(owned.state.offset, batch.nextOffset)
  return { alerts, signals, refused }
}

async function publish(stage: Stage, output: Folded): Promise<void> {
  const { bus, signal, log } = stage
  await putAside(stage, output.refused, stageName)
  for (const [name, records] of [
    [topic.signals, output.signals],
    [topic.alerts, output.alerts],
  ] as const)
    if (records.length > 0) await retryWhileUnreachable(() => bus.publish(name, records), { signal, log })
}

function isDue(stage: Stage, owned: Owned): boolean {
  const { everyRecords, everyMs } = stage.snapshot
  return owned.state.offset - owned.savedOffset >= everyRecords || stage.now() - owned.savedMs >= everyMs
}

function refresh(stage: Stage, partition: number, owned: Owned): void {
  const pack = stage.rules()
  if (pack === owned.pack) return
  owned.pack = pack
  owned.fold = createFold(pack, partition)
}

async function onBatch(stage: Stage, consumer: Consumer, batch: Batch): Promise<void> {
  const { partition } = batch
  const owned = stage.owned.get(partition)
  if (owned === undefined) return
  refresh(stage, partition, owned)
  owned.isInHand = true
  await publish(stage, foldBatch(stage, owned, batch))
  owned.isInHand = false
  if (stage.owned.get(partition) !== owned) return
  if (isDue(stage, owned) && !(await save(stage, partition, owned))) {
    stage.log.warn('detector.snapshot_lost', { partition })
    const fresh = await acquire(stage, partition)
    stage.owned.set(partition, fresh)
    consumer.seek({ topic: topic.signals, partition, offset: fresh.state.offset })
    return
  }
  // The snapshot decides where a successor starts (onAssign); the committed offset only shows the lag.
  await consumer.commit([{ topic: topic.signals, partition, offset: batch.nextOffset }])
}

async function release(stage: Stage, partitions: readonly TopicPartition[]): Promise<void> {
  for (const { partition } of partitions) {
    const owned = stage.owned.get(partition)
    stage.owned.delete(partition)
    if (owned !== undefined) await save(stage, partition, owned)
  }
}

async function consume(stage: Stage): Promise<void> {
  const consumer = stage.bus.consume({
    group,
    topics: [topic.signals],
    signal: stage.signal,
    onAssign: async partitions => {
      const positions = partitions.map(async ({ partition }) => {
        const owned = await acquire(stage, partition)
        stage.owned.set(partition, owned)
        return { topic: topic.signals, partition, offset: owned.state.offset }
      })
      return await Promise.all(positions)
    },
    onRevoke: async partitions => await release(stage, partitions),
    onBatch: async batch => await onBatch(stage, consumer, batch),
  })
  await consumer.done
  await release(
    stage,
    [...stage.owned.keys()].map(partition => ({ topic: topic.signals, partition })),
  )
}

/** The stateful stage: `mcp.signals` → `mcp.alerts`, a deterministic fold per partition, snapshotted with the offset it belongs to. */
export function createBehaviourStage(options: BehaviourStageOptions): Task {
  return {
    run: async signal => {
      const described = await options.bus.describe(topic.alerts)
      const alertPartitions = Math.max(1, described.length)
      await consume({ ...options, owned: new Map(), alertPartitions, signal })
    },
  }
}
