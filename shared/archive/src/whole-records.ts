import type { StoredObject } from './format/manifest.ts'
import { parseReferences, putBack } from './format/large-bodies.ts'
import { openBody } from './format/sealed-body.ts'
import { damaged } from './parquet/damaged.ts'
import type { ParquetReader } from './parquet/read.ts'

/** Gets an object that holds a body, as its manifest pins it. */
type FetchBody = (object: string) => Promise<Buffer>

/** The column that says where bodies lie. */
const bodiesColumn = 'bodies'

/** What a segment of one tenant may refer to: the bodies of its manifest that are that tenant's. */
export function bodiesOf(
  manifest: { readonly bodies?: readonly StoredObject[] | undefined },
  tenant: string,
): ReadonlyMap<string, StoredObject> {
  const own = (manifest.bodies ?? []).filter(({ key }) => key.startsWith(`body/v1/t=${tenant}/`))
  return new Map(own.map(body => [body.key, body]))
}

/** The error for a body that its manifest does not have. */
export function noSuchBody(object: string): Error {
  return damaged('BODY_UNRESOLVED', `a record refers to ${object}, which its manifest does not have`)
}

interface File {
  readonly reader: ParquetReader
  readonly fetch: FetchBody
}

async function putBackAll({ fetch }: File, raw: Buffer, value: Buffer): Promise<Buffer> {
  const bodies: { readonly at: number; readonly bytes: Buffer }[] = []
  for (const { at, size_bytes: sizeBytes, object, key } of parseReferences(value)) {
    const bytes = await fetch(object)
    bodies.push({ at, bytes: openBody({ object, bytes, key }, sizeBytes) })
  }
  return putBack(raw, bodies)
}

/** Records of a row group that are more than their row, by their number in it. */
async function wholeRecords(file: File, ordinal: number): Promise<ReadonlyMap<number, Buffer>> {
  const values = await file.reader.values(bodiesColumn, ordinal)
  const found = new Map<number, Buffer>()
  if (values.every(value => value === undefined)) return found
  const raws = await file.reader.rawGroup(ordinal)
  for (const [row, value] of values.entries()) {
    const raw = raws[row]
    if (value !== undefined && raw !== undefined) found.set(row, await putBackAll(file, raw, value))
  }
  return found
}

async function rawGroup(file: File, ordinal: number): Promise<readonly Buffer[]> {
  const raws = await file.reader.rawGroup(ordinal)
  const whole = await wholeRecords(file, ordinal)
  return whole.size === 0 ? raws : raws.map((raw, row) => whole.get(row) ?? raw)
}

async function rawAt(file: File, ordinal: number, row: number): Promise<Buffer | undefined> {
  const raw = await file.reader.rawAt(ordinal, row)
  const value = (await file.reader.values(bodiesColumn, ordinal))[row]
  return raw === undefined || value === undefined ? raw : await putBackAll(file, raw, value)
}

async function* rawRows(file: File): AsyncGenerator<Buffer> {
  for (const ordinal of file.reader.rowGroups.keys()) yield* await rawGroup(file, ordinal)
}

type Selection = Parameters<ParquetReader['extract']>[0]

async function extract(file: File, columns: readonly string[], selection: Selection): Promise<Buffer> {
  const { reader } = file
  // What opens bodies is not for whoever asks.
  const wanted = columns.filter(name => selection.columns?.includes(name) !== false)
  if (!wanted.includes('raw')) return await reader.extract({ ...selection, columns: wanted })
  const raws = new Map<number, readonly Buffer[]>()
  for (const ordinal of selection.rowGroups ?? reader.rowGroups.keys()) {
    const whole = await wholeRecords(file, ordinal)
    if (whole.size > 0)
      raws.set(
        ordinal,
        (await reader.rawGroup(ordinal)).map((raw, row) => whole.get(row) ?? raw),
      )
  }
  return await reader.extract({ ...selection, columns: wanted, ...(raws.size > 0 && { raws }) })
}

/** The same reader, which gives whole records: bodies that lie elsewhere are fetched as they are needed. */
export function withBodies(reader: ParquetReader, fetch: FetchBody): ParquetReader {
  if (!reader.columns.includes(bodiesColumn)) return reader
  const file = { reader, fetch }
  const columns = reader.columns.filter(name => name !== bodiesColumn)
  return {
    ...reader,
    columns,
    extract: selection => extract(file, columns, selection),
    rawGroup: ordinal => rawGroup(file, ordinal),
    rawRows: () => rawRows(file),
    rawAt: (ordinal, row) => rawAt(file, ordinal, row),
  }
}
