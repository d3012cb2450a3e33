import { parseCheckpoint, type Log } from '@muniment/archive'
import type { Logger, Metrics } from '@muniment/runtime'
import { isAppError } from '@muniment/schema'
import type { Witnesses } from './witnesses.ts'

/** A part of the log that too few witnesses have seen. */
export interface UnwitnessedSpan {
  /** Entries that were witnessed, and how many there are. */
  readonly witnessedSize: number
  readonly treeSize: number
  readonly spanMs: number
}

/** What anchoring needs. */
interface AnchoringOptions {
  readonly tree: Log
  readonly witnesses?: Witnesses | undefined
  readonly log: Logger
  readonly nowMs: () => number
  readonly maxUnwitnessedMs?: number
  readonly onUnwitnessed?: (span: UnwitnessedSpan) => void
  readonly metrics?: Metrics | undefined
}

type Head = Awaited<ReturnType<Log['integrate']>>

/** Gets the log's heads cosigned beside the notary's work: witnesses may be slow or away, the log goes on. */
interface Anchoring {
  /** Takes note of a head, and asks for cosignatures unless it has them or the last question is still open. */
  readonly see: (head: Head, signal: AbortSignal) => void
  /** Resolves when no question is open. */
  readonly settled: () => Promise<void>
}

const defaultMaxUnwitnessedMs = 300_000

interface Gauges {
  readonly spanMs: (value: number) => void
  readonly entries: (value: number) => void
  readonly rounds: (by: number, labels: { readonly result: string }) => void
}

function createGauges(metrics: Metrics | undefined): Gauges | undefined {
  if (metrics === undefined) return undefined
  const results = ['witnessed', 'too few']
  return {
    spanMs: metrics.gauge({
      name: 'notary_unwitnessed_ms',
      help: 'Age of the oldest entry of the log that too few witnesses have cosigned; 0 where there is none.',
    }),
    entries: metrics.gauge({
      name: 'notary_unwitnessed_count',
      help: 'Entries of the log that too few witnesses have cosigned.',
    }),
    rounds: metrics.counter({
      name: 'notary_cosigning_total',
      help: 'Questions to the witnesses by result.',
      labels: { result: results },
    }),
  }
}

interface State {
  witnessedSize: number
  /** When the oldest entry that is not witnessed was first seen. */
  sinceMs: number | undefined
  isReported: boolean
  asking: Promise<void> | undefined
}

function markWitnessed(state: State, treeSize: number): void {
  state.witnessedSize = treeSize
  state.sinceMs = undefined
  state.isReported = false
}

interface Working {
  readonly options: AnchoringOptions
  readonly gauges: Gauges | undefined
  readonly state: State
}

interface Question {
  readonly note: string
  readonly treeSize: number
  readonly signal: AbortSignal
}

async function ask({ options, gauges, state }: Working, { note, treeSize, signal }: Question): Promise<void> {
  const { tree, witnesses, log } = options
  const proofFrom = (older: number): readonly Buffer[] => tree.consistencyProof(older, treeSize)
  const cosigned = await witnesses?.ask({ note, treeSize, proofFrom }, signal)
  gauges?.rounds(1, { result: cosigned === undefined ? 'too few' : 'witnessed' })
  if (cosigned === undefined) return
  await tree.publishCosigned(cosigned)
  log.info('notary.witnessed', { treeSize })
  markWitnessed(state, treeSize)
}

function measure({ options, gauges, state }: Working, treeSize: number): void {
  const { nowMs, maxUnwitnessedMs = defaultMaxUnwitnessedMs, log, onUnwitnessed } = options
  const now = nowMs()
  if (treeSize > state.witnessedSize) state.sinceMs ??= now
  const spanMs = now - (state.sinceMs ?? now)
  gauges?.spanMs(spanMs)
  gauges?.entries(treeSize - state.witnessedSize)
  if (spanMs <= maxUnwitnessedMs || state.isReported) return
  state.isReported = true
  const span = { witnessedSize: state.witnessedSize, treeSize, spanMs }
  log.error('notary.unwitnessed', { ...span })
  onUnwitnessed?.(span)
}

/** Anchoring for one log; does nothing where there are no witnesses. */
export function createAnchoring(options: AnchoringOptions): Anchoring {
  const { witnesses, log } = options
  const state: State = { witnessedSize: 0, sinceMs: undefined, isReported: false, asking: undefined }
  const working: Working = { options, gauges: createGauges(witnesses && options.metrics), state }
  return {
    see({ checkpoint: note, treeSize }, signal) {
      if (witnesses === undefined || note === undefined) return
      // Another notary may be ahead; what it published is its to have cosigned.
      if (parseCheckpoint(Buffer.from(note))?.treeSize !== treeSize) return
      if (witnesses.isWitnessed(note)) markWitnessed(state, treeSize)
      measure(working, treeSize)
      if (treeSize === state.witnessedSize || state.asking !== undefined) return
      state.asking = ask(working, { note, treeSize, signal })
        .catch((error: unknown) => {
          const why = isAppError(error) ? { code: error.code, message: error.message } : { error }
          log.warn('notary.cosigning_failed', why)
        })
        .finally(() => {
          state.asking = undefined
        })
    },
    settled: async () => await state.asking,
  }
}
