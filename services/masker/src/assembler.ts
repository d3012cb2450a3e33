import { AppError, type BatchHeaders } from '@muniment/schema'
import type { BusRecord } from '@muniment/bus'
import type { SealedPart } from './open-batch.ts'

/** A batch of which some parts are still to come. */
interface Unfinished {
  readonly records: readonly BusRecord[]
  readonly parts: readonly SealedPart[]
}

/** Records of one batch, or of what there is of it. */
interface Gathered {
  readonly records: readonly BusRecord[]
  readonly headers: BatchHeaders
}

/** What one more record led to: a whole batch, or nothing yet; `broken` are batches whose rest will never come. */
export interface Assembled {
  readonly whole?: Gathered & { readonly parts: readonly SealedPart[] }
  readonly broken: readonly Gathered[]
}

/** Joins the parts of batches that were split over consecutive records of their lane. */
export interface Assembler {
  readonly add: (record: BusRecord, headers: BatchHeaders) => Assembled
  /** Offset of the oldest record that is still waiting for its rest: nothing from there on may be committed. */
  readonly oldestOffset: () => number | undefined
}

/** Most unfinished batches of one partition; one more is an `LIMIT_EXCEEDED`. */
const maxUnfinished = 64

function isSameBatch(a: BatchHeaders, b: BatchHeaders): boolean {
  return (
    a.parts === b.parts && a.firstSeq === b.firstSeq && a.lastSeq === b.lastSeq && a.encoding === b.encoding
  )
}

/** How a part fits to the unfinished batch of its lane; a publisher that saw no answer sends all parts again. */
function fit(unfinished: Unfinished, headers: BatchHeaders): 'next' | 'again' | 'other' {
  const last = unfinished.parts.at(-1)?.headers
  if (last === undefined || !isSameBatch(last, headers)) return 'other'
  if (headers.part === last.part + 1) return 'next'
  return headers.part === 1 ? 'again' : 'other'
}

/** One assembler serves one partition of the raw topic. */
export function createAssembler(): Assembler {
  const byLane = new Map<string, Unfinished>()
  function keep(unfinished: Unfinished, headers: BatchHeaders): Assembled {
    if (headers.part === headers.parts) return { whole: { ...unfinished, headers }, broken: [] }
    if (byLane.size >= maxUnfinished)
      throw new AppError('LIMIT_EXCEEDED', `More than ${maxUnfinished} lanes have an unfinished batch.`)
    byLane.set(headers.lane, unfinished)
    return { broken: [] }
  }
  function begin(record: BusRecord, headers: BatchHeaders): Assembled {
    if (headers.part !== 1) return { broken: [{ records: [record], headers }] }
    return keep({ records: [record], parts: [{ headers, sealed: record.value }] }, headers)
  }
  function add(record: BusRecord, headers: BatchHeaders): Assembled {
    const before = byLane.get(headers.lane)
    if (before === undefined) return begin(record, headers)
    byLane.delete(headers.lane)
    const fits = fit(before, headers)
    if (fits === 'again') return begin(record, headers)
    if (fits === 'next') {
      const parts = [...before.parts, { headers, sealed: record.value }]
      return keep({ records: [...before.records, record], parts }, headers)
    }
    const [first] = before.parts
    const cut = first === undefined ? [] : [{ records: before.records, headers: first.headers }]
    const after = begin(record, headers)
    return { ...after, broken: [...cut, ...after.broken] }
  }
  function oldestOffset(): number | undefined {
    const offsets = [...byLane.values()].map(({ records }) => records[0]?.offset ?? 0)
    return offsets.length === 0 ? undefined : Math.min(...offsets)
  }
  return { add, oldestOffset }
}
