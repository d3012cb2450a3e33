import type { Archive, CommittedManifest, CutResult, CutWriter } from '@muniment/archive'
import type { Batch, TopicPartition } from '@muniment/bus'
import { createBuffer, type CutLimits, type PartitionBuffer, type Range } from './buffer.ts'
import type { Retry } from './retry.ts'

/** What one partition's archiving shares with the others. */
export interface PartitionContext {
  readonly archive: Pick<Archive, 'newest'>
  readonly cuts: CutWriter
  readonly limits: CutLimits
  readonly nowMs: () => number
  /** Calls `run` after `delayMs`; the returned function cancels it. */
  readonly after: (delayMs: number, run: () => void) => () => void
  /** Bounds how many cuts are written at once. */
  readonly slot: <T>(work: () => Promise<T>) => Promise<T>
  readonly retry: Retry
  /** How long the rest may take to be archived when the partition is given up. */
  readonly drainTimeoutMs: number
  /** Aborts when the archiver is to stop. */
  readonly signal: AbortSignal
  readonly onEvent: (event: PartitionEvent) => void
}

/** What happens to a partition, for offsets, pauses, logs and metrics. */
export type PartitionEvent =
  /** `lost`: another archiver committed a cut at this position. */
  | {
      readonly kind: 'committed' | 'lost'
      readonly place: TopicPartition
      readonly manifest: CommittedManifest
    }
  /** Its need for memory, or its readiness for more, has changed. */
  | { readonly kind: 'changed'; readonly place: TopicPartition }
  /** Its records stay on the bus and are read again from the newest manifest. */
  | { readonly kind: 'failed'; readonly place: TopicPartition; readonly error: unknown }

/** The archiving of one partition, from the newest manifest on. */
export interface PartitionArchiver {
  readonly place: TopicPartition
  /** Where reading goes on. */
  readonly position: () => number
  readonly accept: (batch: Batch) => void
  /** Bytes held in memory. */
  readonly heldBytes: () => number
  /** Whether it should get nothing more for now. */
  readonly isSaturated: () => boolean
  /** Archives what is left, as far as the drain time goes. Resolves when nothing is in hand any more. */
  readonly close: () => Promise<void>
}

interface State {
  readonly place: TopicPartition
  readonly context: PartitionContext
  readonly abandon: AbortController
  newest: CommittedManifest | undefined
  buffer: PartitionBuffer
  writing: { readonly bytes: number; readonly done: Promise<void> } | undefined
  cancelTimer: (() => void) | undefined
  isClosed: boolean
  hasFailed: boolean
}

function positionAfter(newest: CommittedManifest | undefined): number {
  return newest?.manifest.next_offset ?? 0
}

async function write(state: State, { records, nextOffset }: Range): Promise<void> {
  const { place, context, abandon } = state
  const { topic, partition } = place
  const attempt = (): Promise<CutResult> =>
    context.slot(() => context.cuts.write({ topic, partition, records, nextOffset, previous: state.newest }))
  const { kind, manifest } = await context.retry({ place, signal: abandon.signal, attempt })
  state.newest = manifest
  // The winner's cut may end elsewhere: what is buffered is read again from there.
  if (kind === 'lost') state.buffer = createBuffer(positionAfter(manifest), context.limits)
  context.onEvent({ kind, place, manifest })
}

function startWriting(state: State): void {
  const { place, context } = state
  const range = state.buffer.take()
  const done = write(state, range)
    .catch((error: unknown) => {
      // What was buffered meanwhile continues the failed range, so it cannot be archived either.
      state.hasFailed = true
      context.onEvent({ kind: 'failed', place, error })
    })
    .finally(() => {
      state.writing = undefined
      context.onEvent({ kind: 'changed', place })
      schedule(state)
    })
  state.writing = { bytes: range.bytes, done }
}

function schedule(state: State): void {
  const { buffer, context } = state
  state.cancelTimer?.()
  const openedMs = buffer.openedMs()
  if (state.isClosed || state.hasFailed || state.writing !== undefined || openedMs === undefined) return
  const waitMs = openedMs + context.limits.maxAgeMs - context.nowMs()
  if (buffer.isFull() || waitMs <= 0) startWriting(state)
  else state.cancelTimer = context.after(waitMs, () => schedule(state))
}

async function close(state: State): Promise<void> {
  const { context, abandon } = state
  state.cancelTimer?.()
  state.isClosed = true
  const cancelDeadline = context.after(context.drainTimeoutMs, () => abandon.abort())
  await state.writing?.done
  if (!state.hasFailed && state.buffer.openedMs() !== undefined) startWriting(state)
  await state.writing?.done
  cancelDeadline()
}

/** Opens a partition at the end of its newest manifest. */
export async function openPartition(
  place: TopicPartition,
  context: PartitionContext,
): Promise<PartitionArchiver> {
  const { signal, archive, limits } = context
  const newest = await context.retry({
    place,
    signal,
    attempt: () => archive.newest(place.topic, place.partition),
  })
  const state: State = {
    place,
    context,
    abandon: new AbortController(),
    newest,
    buffer: createBuffer(positionAfter(newest), limits),
    writing: undefined,
    cancelTimer: undefined,
    isClosed: false,
    hasFailed: false,
  }
  return {
    place,
    position: () => state.buffer.nextOffset(),
    accept(batch) {
      if (state.isClosed || state.hasFailed) return
      state.buffer.add(batch, context.nowMs())
      schedule(state)
      context.onEvent({ kind: 'changed', place })
    },
    heldBytes: () => state.buffer.bytes() + (state.writing?.bytes ?? 0),
    isSaturated: () => state.writing !== undefined && state.buffer.isFull(),
    close: () => close(state),
  }
}
