import { hintsOfKey } from './keys.ts'
import * as hint from './hints.ts'
import { at, type Leaf, sliceOf } from './leaf.ts'

const HEADER_MAX = 1000
const COLUMNS_MIN = 3
const COLUMNS_MAX = 200
const CELL_MAX = 48

/** Columns of a table in a text: what each is called, and where the rows begin. */
export interface Table {
  readonly separator: number
  readonly columns: readonly number[]
  readonly rows: number
}

/** Signs that stand in no heading. */
const isForeign = (c: number): boolean =>
  c === 123 || c === 125 || c === 60 || c === 61 || c === 58 || c === 64 || c === 33 || c === 63 || c === 92

/** End of the first line if it may be a heading, else -1. */
const headingEnd = (leaf: Leaf): number => {
  const limit = Math.min(leaf.end, leaf.start + HEADER_MAX)
  for (let i = leaf.start; i < limit; i++) {
    const c = leaf.bytes[i] ?? 0
    if (c === 10) return i
    if (isForeign(c)) return -1
  }
  return -1
}

const countOf = (leaf: Leaf, span: { from: number; to: number }, sign: number): number => {
  let count = 0
  for (let i = span.from; i < span.to; i++) if (leaf.bytes[i] === sign) count++
  return count
}

const ROW_MAX = 4000

/** Whether the line behind the heading has as many cells, or quotes that make counting idle. */
const isRow = (leaf: Leaf, end: number, separator: number): boolean => {
  const limit = Math.min(leaf.end, end + ROW_MAX)
  let to = end + 1
  while (to < limit && leaf.bytes[to] !== 10) to++
  const row = { from: end + 1, to }
  if (countOf(leaf, row, 34) > 0) return true
  return countOf(leaf, row, separator) === countOf(leaf, { from: leaf.start, to: end }, separator)
}

/** Comma, semicolon, tab or bar, whichever the line has most of; 0 when it has too few. */
const separatorOf = (leaf: Leaf, to: number): number => {
  let best = 0
  let most = COLUMNS_MIN - 2
  for (const sign of [44, 59, 9, 124]) {
    const count = countOf(leaf, { from: leaf.start, to }, sign)
    if (count > most) [best, most] = [sign, count]
  }
  return best
}

/** Up to four words, none of which begins with a digit. */
const NAME_FORM = /^[\p{L}_][\p{L}\p{N}_.#/()-]*(?: [\p{L}_(#/-][\p{L}\p{N}_.#/()-]*){0,3}$/u

const columnsOf = (line: string, separator: number): readonly number[] => {
  const names = line.split(String.fromCharCode(separator)).map(cell => cell.replaceAll('"', '').trim())
  const named = names.filter(name => name !== '')
  if (named.length < COLUMNS_MIN || names.length > COLUMNS_MAX) return []
  if (!named.every(name => name.length <= CELL_MAX && NAME_FORM.test(name))) return []
  return names.map(hintsOfKey)
}

/** A heading line over rows: at least three names, one of them telling; undefined for any other text. */
export const tableOf = (leaf: Leaf): Table | undefined => {
  const end = headingEnd(leaf)
  if (end < 0) return undefined
  const separator = separatorOf(leaf, end)
  if (separator === 0 || !isRow(leaf, end, separator)) return undefined
  const columns = columnsOf(sliceOf(leaf, leaf.start, end), separator)
  const isTelling = columns.some(hints => (hints & hint.KINDS) !== 0)
  return isTelling ? { separator, columns: withNames(columns), rows: end + 1 } : undefined
}

const PERSONAL = hint.EMAIL | hint.PHONE | hint.SSN | hint.BIRTH | hint.ADDRESS | hint.PASSPORT | hint.NAME

/** A column called `name` beside personal ones holds people's names. */
const withNames = (columns: readonly number[]): readonly number[] => {
  const all = columns.reduce((bits, one) => bits | one, 0)
  return columns.map(one => ((one & hint.PLAIN_NAME) !== 0 && (all & PERSONAL) !== 0 ? one | hint.NAME : one))
}

/** End of a cell: the next separator or line break outside quotes. */
const cellEnd = (leaf: Leaf, from: number, separator: number): number => {
  let i = from
  let isQuoted = at(leaf, i) === 34
  if (isQuoted) i++
  for (; i < leaf.end; i++) {
    const c = at(leaf, i)
    if (isQuoted && c === 34) isQuoted = false
    else if (c === 10 || (!isQuoted && c === separator)) return i
  }
  return leaf.end
}

/** Calls `read` for each cell with the hints of its column; cells beyond the heading have none. */
export const readCells = (
  leaf: Leaf,
  table: Table,
  read: (start: number, end: number, own: number) => void,
): void => {
  const { end } = leaf
  let column = 0
  for (let i = table.rows; i < end;) {
    const stop = cellEnd(leaf, i, table.separator)
    if (stop > i) read(i, stop, table.columns[column] ?? 0)
    column = at(leaf, stop) === 10 ? 0 : column + 1
    i = stop + 1
  }
}
