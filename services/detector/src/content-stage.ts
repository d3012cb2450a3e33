import type { KeyObject } from 'node:crypto'
import { type Batch, type Bus, type BusRecord, type OutgoingRecord } from '@muniment/bus'
import { laneOf, topic, type MunimentEvent } from '@muniment/schema'
import { retryWhileUnreachable, type Logger, type Task } from '@muniment/runtime'
import { toldBy, type Copy } from './copies.ts'
import { emit } from './emit.ts'
import { parseEvent } from './parse-event.ts'
import { isPutAside, judged } from './put-aside.ts'
import { putAside, refusedRecords, type Refused } from './refused.ts'
import type { ToolLabels } from './flow/labels.ts'
import { arrangeRules, signalOf, type EventRules } from './signal.ts'
import { signalRecord } from './signal-record.ts'
import { aliveOf, minuteOf, tickOf } from './times.ts'
import { warmUp } from './warm-up.ts'
import type { RulePack } from './sigma/pack.ts'

const group = 'muniment.detector.content'
const stageName = 'detector.content'
/** How many facts about servers, callers and handles are remembered as passed on. */
const mostForwarded = 200_000

/** What the content stage is made of. */
export interface ContentStageOptions {
  readonly bus: Bus
  /** Rules in force, asked before each batch. */
  readonly rules: () => RulePack
  /** Key of the evidence hashes of a tenant. */
  readonly evidenceKey: (tenant: string) => Promise<KeyObject>
  /** What tools do to a flow of data. */
  readonly labels: ToolLabels
  readonly log: Logger
  /** Told how many records were put aside, once they are dead letters. */
  readonly onDeadLetters?: ((count: number) => void) | undefined
}

interface Stage extends ContentStageOptions {
  readonly signal: AbortSignal
  /** The rules of the batch in hand, arranged. */
  pack: RulePack
  arranged: EventRules
  readonly signalPartitions: number
  readonly keys: Map<string, Promise<KeyObject>>
  /** What was passed on in batches whose publish has succeeded. */
  readonly forwarded: Set<string>
  /** The minute that each partition of events has come to. */
  readonly minutes: Map<number, number>
}

/** What one batch adds up to. */
interface Output {
  readonly signals: OutgoingRecord[]
  readonly refused: Refused[]
  readonly forwards: Set<string>
  /** Per lane the contiguous ranges of numbers that the batch covers, and the claims between them, in order. */
  readonly covered: Map<string, Coverage[]>
}

interface Coverage {
  readonly from: number
  to: number
  event: MunimentEvent
  /** Whether only a claim says so, which the lane's partition accepts or refuses. */
  readonly isClaim: boolean
}

interface Placed {
  readonly event: MunimentEvent
  readonly incoming: BusRecord
  readonly lane: string
}

/** What was told before needs no telling again: a server's tools, callers and arguments are known after the first time. */
function passOn(stage: Stage, output: Output, copy: Copy): void {
  const told = toldBy(copy)
  if (told.length > 0 && told.every(each => stage.forwarded.has(each) || output.forwards.has(each))) return
  for (const each of told) output.forwards.add(each)
  output.signals.push(signalRecord(`${copy.signal.tenant}/${copy.key}`, copy.signal))
}

/** A replay of dead letters mends single ranges of a lane, of which a claim has told already. */
function isReplayed(lane: string): boolean {
  return lane.includes('~')
}

/** Claims stay by themselves, for they may be refused. */
function goesOn(last: Coverage, { from, isClaim }: Coverage): boolean {
  return !last.isClaim && !isClaim && from <= last.to + 1
}

function cover(output: Output, event: MunimentEvent, lane: string): void {
  if (isReplayed(lane)) return
  const next: Coverage = {
    from: event.gap?.from_seq ?? event.source.seq,
    to: event.source.seq,
    event,
    isClaim: event.gap?.claimed === true,
  }
  const ranges = output.covered.get(lane) ?? []
  const last = ranges[ranges.length - 1]
  if (last === undefined || !goesOn(last, next)) ranges.push(next)
  else if (next.to >= last.to) Object.assign(last, { to: next.to, event })
  output.covered.set(lane, ranges)
}

/** A gap that ends where its lane had already come: the batch came whole, and then again, spoilt. */
function isCovered(output: Output, { gap }: MunimentEvent, lane: string): boolean {
  const ranges = output.covered.get(lane) ?? []
  return gap !== undefined && ranges.some(({ to, isClaim }) => !isClaim && gap.to_seq <= to)
}

function announceGap(output: Output, event: MunimentEvent, lane: string): void {
  output.signals.push(signalRecord(`lane:${lane}`, signalOf(event, `${lane}#gap`, [])))
}

/** Whoever called may be seen in any partition: what comes after all for a claimed range must be judged there. */
function announceLoss(
  { signalPartitions }: Stage,
  output: Output,
  of: { event: MunimentEvent; lane: string },
): void {
  const lane = `${of.lane}#lost`
  const record = signalRecord(lane, signalOf(of.event, lane, []))
  for (let partition = 0; partition < signalPartitions; partition++)
    output.signals.push({ ...record, partition })
}

function announceTime({ minutes, signalPartitions }: Stage, output: Output, of: Placed): void {
  const { partition } = of.incoming
  const minute = minuteOf(of.event, of.incoming)
  if (minute <= (minutes.get(partition) ?? -1)) return
  minutes.set(partition, minute)
  const record = signalRecord('tick', tickOf(minute, partition, of.event))
  for (let to = 0; to < signalPartitions; to++) output.signals.push({ ...record, partition: to })
}

/** Tells what an event means for time and for its lane; whether there is something in it to judge. */
function place(stage: Stage, output: Output, of: Placed): boolean {
  const { event, incoming, lane } = of
  announceTime(stage, output, of)
  if (isCovered(output, event, lane)) return false
  cover(output, event, lane)
  if (event.gap !== undefined) {
    if (event.gap.claimed === true) announceLoss(stage, output, { event, lane })
    else if (!isReplayed(lane)) announceGap(output, event, lane)
    return false
  }
  if (event.kind === 'heartbeat') {
    // All of a tenant are looked at in one place: on an evening many fall silent, and that is one alert.
    if (!isReplayed(lane))
      output.signals.push(signalRecord(`alive:${event.tenant}`, aliveOf(event, lane, incoming)))
    return false
  }
  return event.kind !== 'begun'
}

async function handle(stage: Stage, output: Output, incoming: BusRecord): Promise<void> {
  const event = parseEvent(incoming)
  const lane = incoming.headers['mun_lane'] ?? laneOf(event.source)
  if (!judged(() => place(stage, output, { event, incoming, lane }))) return
  const { pack, arranged, labels } = stage
  const key = await keyOf(stage, event.tenant)
  const { signal, copies } = judged(() => emit(event, lane, { pack, arranged, labels, key }))
  output.signals.push(signalRecord(`${signal.tenant}/${signal.principal}`, signal))
  for (const copy of copies) passOn(stage, output, copy)
}

function keyOf(stage: Stage, tenant: string): Promise<KeyObject> {
  const known = stage.keys.get(tenant)
  if (known !== undefined) return known
  const asked = stage.evidenceKey(tenant)
  stage.keys.set(tenant, asked)
  asked.catch(() => stage.keys.delete(tenant))
  return asked
}

/** One signal per lane and batch says which numbers were seen, and one each which are claimed to be lost, so that the lane's partition can tell a hole for certain. */
function addCoverage(output: Output): void {
  for (const [lane, ranges] of output.covered) {
    for (const { from, to, event, isClaim } of ranges) {
      const { gap: claim, ...whole } = event
      const signal = signalOf({ ...whole, kind: 'heartbeat' }, `${lane}#cover`, [])
      const gap = isClaim ? claim : { from_seq: from, to_seq: to, reason: 'covered', count: to - from + 1 }
      output.signals.push(signalRecord(`lane:${lane}`, { ...signal, definitions: undefined, gap, seq: to }))
    }
  }
}

async function persist(stage: Stage, output: Output): Promise<void> {
  const { bus, signal, log } = stage
  await putAside(stage, output.refused, stageName)
  if (output.signals.length === 0) return
  await retryWhileUnreachable(() => bus.publish(topic.signals, output.signals), { signal, log })
}

function refresh(stage: Stage): void {
  const pack = stage.rules()
  if (pack === stage.pack) return
  stage.pack = pack
  stage.arranged = arrangeRules(pack)
}

async function work(stage: Stage, batch: Batch): Promise<void> {
  refresh(stage)
  const output: Output = { signals: [], refused: [], forwards: new Set(), covered: new Map() }
  for (const incoming of batch.records) {
    try {
      await handle(stage, output, incoming)
    } catch (error) {
      if (!isPutAside(error)) throw error
      output.refused.push({ record: incoming, error })
      stage.log.warn('detector.refused', {
        code: error.code,
        partition: batch.partition,
        offset: incoming.offset,
      })
    }
  }
  output.signals.push(...refusedRecords(output.refused, stageName))
  addCoverage(output)
  await persist(stage, output)
  if (stage.forwarded.size > mostForwarded) stage.forwarded.clear()
  for (const known of output.forwards) stage.forwarded.add(known)
}

/** The stateless stage: `mcp.events` → `mcp.signals`; offsets are committed after the signals are durable. */
export function createContentStage(options: ContentStageOptions): Task {
  return {
    run: async signal => {
      const described = await options.bus.describe(topic.signals)
      const pack = options.rules()
      const stage: Stage = {
        ...options,
        signal,
        pack,
        arranged: arrangeRules(pack),
        signalPartitions: described.length,
        keys: new Map(),
        forwarded: new Set(),
        minutes: new Map(),
      }
      warmUp(pack, stage.arranged)
      const consumer = options.bus.consume({
        group,
        topics: [topic.events],
        signal,
        onBatch: async batch => {
          await work(stage, batch)
          await consumer.commit([
            { topic: batch.topic, partition: batch.partition, offset: batch.nextOffset },
          ])
        },
      })
      await consumer.done
    },
  }
}
