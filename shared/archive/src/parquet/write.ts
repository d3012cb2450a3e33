import { setImmediate } from 'node:timers/promises'
import { AppError } from '@muniment/schema'
import { columnsFor, type Column, type ColumnType } from './columns.ts'
import { compress, type Compressed } from './compress.ts'
import { encodeBytes, encodeNumbers, encodeText, type Encoded, type Physical } from './encode.ts'
import { createScanner, type Scanner, type Spans } from '../format/describe.ts'
import {
  asBuffer,
  flagOf,
  millisecondsOf,
  realOf,
  timeOf,
  wholeOf,
  type ParseNumber,
  type Slice,
} from '../format/numbers.ts'
import { addRowGroup, createPlainFile, finish, type SchemaEntry } from './plain-file.ts'
import { isAt } from '../format/scan.ts'
import { addJson, addText, createTextValues, distinctTexts, type TextValues } from './text-values.ts'

/** One record as it goes into a segment. */
export interface Row {
  /** The record's value, kept to the byte. */
  readonly raw: Uint8Array
  readonly offset: number
  /** Where the parts of the record lie that are not in `raw`. */
  readonly bodies?: string
  /** Where its values stand, by the topic's {@link rowScanner}; where left out, it is looked at again. */
  readonly spans?: Spans
}

/** Rows of one row group: what a selective reader fetches at least. */
const rowGroupRows = 20_480
/** Others get their turn after as many rows. */
const rowsAtOnce = 2048

/** Takes in the values of one column, row by row. */
interface Collector {
  readonly add: (row: number, slice: Slice) => void
  readonly encode: () => Encoded
  /** What it took in, where that is text. */
  readonly texts?: TextValues
}

type NumberType = Exclude<ColumnType, 'text' | 'kinds'>

const parsers: Readonly<Record<NumberType, ParseNumber>> = {
  whole: wholeOf,
  real: realOf,
  flag: flagOf,
  time: timeOf,
  milliseconds: millisecondsOf,
}

const physicals: Readonly<Record<ColumnType, Physical>> = {
  text: 'text',
  kinds: 'text',
  whole: 'whole',
  real: 'real',
  flag: 'flag',
  time: 'time',
  milliseconds: 'time',
}

function collectNumbers(type: NumberType, rows: number): Collector {
  const values = new Float64Array(rows).fill(NaN)
  const parse = parsers[type]
  return {
    add(row, slice) {
      values[row] = parse(slice)
    },
    encode: () => encodeNumbers(values, physicals[type]),
  }
}

function collectText(rows: number): Collector {
  const values = createTextValues(rows)
  return {
    add: (row, slice) => addJson(values, row, slice),
    encode: () => encodeText(values),
    texts: values,
  }
}

function kindsOf(json: string): string | undefined {
  try {
    const list: unknown = JSON.parse(json)
    if (!Array.isArray(list)) return undefined
    const types = list.flatMap((item: unknown) =>
      typeof item === 'object' && item !== null && 'type' in item && typeof item.type === 'string'
        ? [item.type]
        : [],
    )
    return [...new Set(types)].toSorted().join(',')
  } catch {
    return undefined
  }
}

/** Lists of findings that are remembered, since most events have what others have. */
const maxKnownKinds = 4096

function collectKinds(rows: number): Collector {
  const values = createTextValues(rows)
  const known = new Map<string, Buffer | undefined>()
  let last: { readonly json: Buffer; readonly kinds: Buffer | undefined } | undefined
  const lookUp = (json: Buffer): Buffer | undefined => {
    const key = json.toString('latin1')
    if (known.has(key)) return known.get(key)
    const text = kindsOf(json.toString())
    const kinds = text === undefined ? undefined : Buffer.from(text)
    if (known.size < maxKnownKinds) known.set(key, kinds)
    return kinds
  }
  return {
    add(row, { bytes, start, end }) {
      if (last?.json.length !== end - start || !isAt(bytes, start, last.json)) {
        const json = bytes.subarray(start, end)
        last = { json, kinds: lookUp(json) }
      }
      if (last.kinds !== undefined) addText(values, row, last.kinds)
    },
    encode: () => encodeText(values),
    texts: values,
  }
}

function collectorFor({ type }: Column, rows: number): Collector {
  if (type === 'text') return collectText(rows)
  return type === 'kinds' ? collectKinds(rows) : collectNumbers(type, rows)
}

function collectRecord(
  form: Form,
  collectors: readonly Collector[],
  row: { number: number; value: Row },
): void {
  const { raw } = row.value
  const { spans, base } = row.value.spans ?? form.rescan(raw)
  const slice = { bytes: asBuffer(raw), start: 0, end: 0 }
  for (let index = 0; index < collectors.length; index++) {
    const at = base + 2 * index
    const start = spans[at] ?? -1
    if (start === -1) continue
    slice.start = start
    slice.end = spans[at + 1] ?? start
    collectors[index]?.add(row.number, slice)
  }
}

function bodiesOf(rows: readonly Row[]): Encoded {
  const values = createTextValues(rows.length)
  for (const [row, { bodies }] of rows.entries()) {
    if (bodies !== undefined) addText(values, row, Buffer.from(bodies))
  }
  return encodeText(values)
}

/** What writing one kind of file takes. */
interface Form {
  readonly columns: readonly Column[]
  readonly hasBodies: boolean
  readonly rescan: (raw: Uint8Array) => Spans
}

interface Group {
  readonly encoded: readonly Encoded[]
  /** By the names of their columns. */
  readonly texts: ReadonlyMap<string, TextValues>
}

function textsOf(columns: readonly Column[], collectors: readonly Collector[]): Group['texts'] {
  return new Map(
    columns.flatMap(({ name }, index) => {
      const texts = collectors[index]?.texts
      return texts === undefined ? [] : [[name, texts] as const]
    }),
  )
}

async function encodeGroup(form: Form, rows: readonly Row[]): Promise<Group> {
  const { columns, hasBodies } = form
  const collectors = columns.map(column => collectorFor(column, rows.length))
  for (const [number, value] of rows.entries()) {
    if (number > 0 && number % rowsAtOnce === 0) await setImmediate()
    collectRecord(form, collectors, { number, value })
  }
  const encoded = [
    ...collectors.map(({ encode }) => encode()),
    encodeNumbers(
      Float64Array.from(rows, ({ offset }) => offset),
      'whole',
    ),
    encodeBytes(rows.map(({ raw }) => raw)),
    ...(hasBodies ? [bodiesOf(rows)] : []),
  ]
  return { encoded, texts: textsOf(columns, collectors) }
}

function schemaOf({ columns, hasBodies }: Form): readonly SchemaEntry[] {
  return [
    ...columns.map(({ name, type }) => ({ name, physical: physicals[type] })),
    { name: 'partition_offset', physical: 'whole' },
    { name: 'raw', physical: 'bytes' },
    ...(hasBodies ? [{ name: 'bodies', physical: 'text' } as const] : []),
  ]
}

/** A plain file, and what its text columns hold: whoever needs their values need not read it again. */
export interface WrittenFile {
  readonly bytes: Buffer
  readonly columns: readonly string[]
  readonly rowGroups: readonly unknown[]
  /** As of `ParquetReader`; throws where the column holds no text, since a filter without its values would hide records. */
  readonly distinct: (column: string, rowGroup: number) => ReadonlySet<string>
}

async function writeFile(form: Form, rows: readonly Row[]): Promise<WrittenFile> {
  const schema = schemaOf(form)
  const file = createPlainFile(schema)
  const rowGroups: Group['texts'][] = []
  for (let first = 0; first < rows.length; first += rowGroupRows) {
    const { encoded, texts } = await encodeGroup(form, rows.slice(first, first + rowGroupRows))
    const chunks: Compressed[] = []
    for (const column of encoded) chunks.push(await compress(column))
    addRowGroup(file, chunks)
    rowGroups.push(texts)
  }
  const distinct = (column: string, rowGroup: number): ReadonlySet<string> => {
    const texts = rowGroups[rowGroup]?.get(column)
    if (texts === undefined) throw new AppError('INVALID_INPUT', `the segment has no text column ${column}`)
    return distinctTexts(texts)
  }
  return { bytes: finish(file), columns: schema.map(({ name }) => name), rowGroups, distinct }
}

/** Finds what the archive needs to know of a topic's records and, first and in their order, what the columns hold. */
export function rowScanner(topic: string): Scanner {
  return createScanner(
    topic,
    columnsFor(topic).map(({ path }) => path),
  )
}

/** Rows of one topic, in the order of their offsets, as a plain Parquet file. A record that is no whole object has only `raw`. */
export async function writeParquet(topic: string, rows: readonly Row[]): Promise<WrittenFile> {
  const hasBodies = rows.some(({ bodies }) => bodies !== undefined)
  let scanner: Scanner | undefined
  const rescan = (raw: Uint8Array): Spans => {
    scanner ??= rowScanner(topic)
    const target = { spans: new Int32Array(scanner.places.stride), base: 0 }
    scanner.scan(raw, target)
    return target
  }
  return await writeFile({ columns: columnsFor(topic), hasBodies, rescan }, rows)
}
