import type { MunimentEvent } from '@muniment/schema'
import { personal } from './calls.ts'
import type { Letter } from './letters.ts'
import type { LaneRecord } from './producer.ts'

/** What is known of a lane beside its events. */
export interface LaneFacts {
  readonly record: LaneRecord
  /** Batches of the lane that were given up, once or more. */
  readonly letters: readonly Letter[]
  /** Numbers whose events came in a batch that opens; looked for only where something was given up. */
  readonly whole: ReadonlySet<number>
}

interface Lane extends LaneFacts {
  readonly say: (what: string) => void
}

function checkGap({ letters, say }: Lane, gap: NonNullable<MunimentEvent['gap']>): void {
  const { from_seq: from, to_seq: to, reason, count } = gap
  if (count !== to - from + 1) say(`a gap of ${count} spans ${from}-${to}`)
  if (reason === 'ring_full') return
  // A batch may begin with a heartbeat, which repeats a number.
  const isGivenUp = letters.some(({ first, last }) => last === to && (first === from || first === from - 1))
  if (!isGivenUp) say(`a gap ${from}-${to} says ${reason}, but nothing was given up there`)
}

function checkMark({ say }: Lane, { source: { seq }, lane }: MunimentEvent): void {
  if (lane?.state !== (seq === 0 ? 'start' : 'end')) say(`number ${seq} is the mark ${lane?.state}`)
}

function checkCall({ record, say }: Lane, event: MunimentEvent): void {
  const { seq } = event.source
  const expected = record.exchanges[seq - 1]
  const found = event.kind === 'notification' ? 0 : event.rpc_id
  if (expected !== found) say(`number ${seq} is call ${found}, but was given to ${expected}`)
  const isMasked = event.pii.findings.length > 0 || record.attacks.has(Number(event.rpc_id))
  if (event.kind === 'call' && !isMasked) say(`call ${found} has nothing masked`)
  if (personal.some(text => JSON.stringify(event).includes(text))) say(`call ${found} is not masked`)
}

/** What a lane's events must cover: everything up to the end, or, after a crash, up to what was known to be durable. */
function checkExtent({ record, say }: Lane, nextSeq: number): void {
  const last = record.exchanges.length + (record.isClosed ? 1 : 0)
  if (nextSeq > last + 1) say(`goes on until ${nextSeq - 1}, but only ${last} was given out`)
  const due = record.isClosed ? last : record.durableSeq
  if (nextSeq <= due) say(`ends before ${nextSeq}, but ${due} was durable`)
}

/** How far the events of a lane have been followed. */
interface Progress {
  nextSeq: number
  dropped: number
  /** Given up, by the word of a gap. */
  readonly lost: Set<number>
}

function followGap(lane: Lane, progress: Progress, { gap, source }: MunimentEvent): void {
  if (gap === undefined) return
  checkGap(lane, gap)
  // A claim may begin before: a part of the batch was published by a masker that then died.
  const isInPlace =
    gap.claimed === true ? gap.from_seq <= progress.nextSeq : gap.from_seq === progress.nextSeq
  if (!isInPlace) lane.say(`a gap from ${gap.from_seq} follows ${progress.nextSeq - 1}`)
  if (gap.reason === 'ring_full') progress.dropped += gap.count
  for (let seq = Math.max(gap.from_seq, progress.nextSeq); seq <= source.seq; seq++) progress.lost.add(seq)
  progress.nextSeq = source.seq + 1
}

function followEvent(lane: Lane, progress: Progress, event: MunimentEvent): void {
  const { seq } = event.source
  if (event.kind === 'heartbeat') checkMark(lane, event)
  else checkCall(lane, event)
  // What was given up may come whole after all.
  if (progress.lost.delete(seq)) return
  if (seq !== progress.nextSeq) lane.say(`${seq} follows ${progress.nextSeq - 1}`)
  progress.nextSeq = seq + 1
}

function follow(lane: Lane, progress: Progress, event: MunimentEvent): void {
  // A heartbeat repeats the lane's last number, and may come late.
  if (event.lane?.state !== 'alive')
    (event.gap === undefined ? followEvent : followGap)(lane, progress, event)
  else if (event.source.seq >= progress.nextSeq)
    lane.say(`a heartbeat ${event.source.seq} follows ${progress.nextSeq - 1}`)
}

/** What was given up and then came whole, by itself or in a replay, is there after all. */
function checkMended({ whole, say }: Lane, { lost }: Progress): void {
  for (const seq of lost) if (whole.has(seq)) say(`number ${seq} was given up, and what came mended nothing`)
}

/** Every number of a lane once and in order, by the call it was given to or by a gap that accounts for it. */
export function checkLane(facts: LaneFacts, events: readonly MunimentEvent[]): string[] {
  const { record, letters } = facts
  const violations: string[] = []
  const say = (what: string): void => void violations.push(`lane ${record.lane}: ${what}`)
  const lane = { ...facts, say }
  const progress: Progress = { nextSeq: 0, dropped: 0, lost: new Set() }
  if (new Set(events.map(({ id }) => id)).size < events.length) say('an event is there twice')
  for (const event of events) follow(lane, progress, event)
  checkExtent(lane, progress.nextSeq)
  checkMended(lane, progress)
  const isGivenUp = letters.length > 0
  const { dropped } = progress
  if (dropped > record.dropped || (dropped < record.dropped && record.isClosed && !isGivenUp))
    say(`gaps account for ${dropped} dropped calls of ${record.dropped}`)
  return violations
}
