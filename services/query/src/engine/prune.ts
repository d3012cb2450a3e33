import {
  filterColumns,
  mightHold,
  type Archive,
  type FilterColumn,
  type FilterQuestion,
} from '@muniment/archive'
import { isAppError } from '@muniment/schema'
import type { SegmentEntry } from './catalogue.ts'
import type { Hints } from './hints.ts'
import type { Filters } from './request.ts'

function isFilterColumn(column: string): column is FilterColumn {
  return filterColumns.some(known => known === column)
}

/** What every wanted row has, as far as the filters of segments can tell. */
export function questionsOf({ equal }: Hints, filters: Filters | undefined): readonly FilterQuestion[] {
  const questions = [...equal].flatMap(([column, value]) =>
    isFilterColumn(column) ? [{ column, value }] : [],
  )
  // No scan shows a condition on a list.
  return filters?.pii === undefined ? questions : [...questions, { column: 'pii_types', value: filters.pii }]
}

/** Keys opened at the same time: a tenant's first one may have to be fetched. */
const keysAtOnce = 64

/** An erased tenant's segments stay, so that they are counted as such where they are opened. */
async function mayMatch(
  archive: Archive,
  { manifest, segment }: SegmentEntry,
  questions: readonly FilterQuestion[],
): Promise<boolean> {
  if (segment.filter === undefined) return true
  try {
    const key = await archive.dataKey(manifest, segment)
    return questions.every(question => mightHold(segment, key, question))
  } catch (error) {
    if (isAppError(error, 'KEY_UNKNOWN')) return true
    throw error
  }
}

/** Leaves out the segments that cannot hold what is asked for: that costs no request. */
export async function pruneByFilter(
  archive: Archive,
  entries: readonly SegmentEntry[],
  questions: readonly FilterQuestion[],
): Promise<readonly SegmentEntry[]> {
  if (questions.length === 0) return entries
  const kept: SegmentEntry[] = []
  for (let at = 0; at < entries.length; at += keysAtOnce) {
    const some = entries.slice(at, at + keysAtOnce)
    const verdicts = await Promise.all(some.map(async entry => await mayMatch(archive, entry, questions)))
    kept.push(...some.filter((_, index) => verdicts[index] === true))
  }
  return kept
}
