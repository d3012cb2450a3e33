import { close, colon, comma, isAt, open, quote, stringEnd, valueEnd } from './scan.ts'

/** Where values are noted: a start and an end for each wanted one, from `base` on; -1 where a record has none. */
interface Notes {
  spans: Int32Array
  base: number
}

/** A field that leads to wanted values. */
interface Field {
  /** The name as it stands in JSON, with its closing quote. */
  readonly quoted: Buffer
  /** Which of the wanted values it is; -1 where only something inside it is wanted. */
  place: number
  readonly inside: Level
}

/** The wanted fields of one object. */
interface Level {
  readonly fields: Field[]
  readonly notes: Notes
  /** Where the search for the next name begins, since records of one producer have their fields in one order. */
  next: number
}

/** Wanted values of records, found without parsing the rest. */
export interface Places {
  /** How many numbers of a `spans` one record takes. */
  readonly stride: number
  readonly root: Level
  /** The number of a wanted value: its start stands at twice that after the record's first. */
  readonly numberOf: (path: string) => number
}

const none = -1
const space = 0x20

function addPath(root: Level, path: string, place: number): void {
  let level = root
  const names = path.split('.')
  for (const [depth, name] of names.entries()) {
    const quoted = Buffer.from(`${name}"`)
    let field = level.fields.find(known => known.quoted.equals(quoted))
    if (field === undefined) {
      field = { quoted, place: none, inside: { fields: [], notes: root.notes, next: 0 } }
      level.fields.push(field)
    }
    if (depth === names.length - 1) field.place = place
    level = field.inside
  }
}

/** Prepares paths, names joined by dots, once for many records. */
export function createPlaces(paths: readonly string[]): Places {
  const wanted = [...new Set(paths)]
  const root: Level = { fields: [], notes: { spans: new Int32Array(0), base: 0 }, next: 0 }
  for (const [place, path] of wanted.entries()) addPath(root, path, place)
  return { stride: 2 * wanted.length, root, numberOf: path => wanted.indexOf(path) }
}

function skipSpace(bytes: Buffer, at: number): number {
  let index = at
  while (index < bytes.length && (bytes[index] ?? 0) <= space) index += 1
  return index
}

function fieldAt(bytes: Buffer, at: number, level: Level): Field | undefined {
  const { fields, next } = level
  const { length } = fields
  const byte = bytes[at]
  for (let step = 0; step < length; step++) {
    const index = next + step < length ? next + step : next + step - length
    const field = fields[index]
    if (field === undefined || field.quoted[0] !== byte || !isAt(bytes, at, field.quoted)) continue
    level.next = index + 1 < length ? index + 1 : 0
    return field
  }
  return undefined
}

/** Where the value at `at` ends, with the white space after it. */
function endOf(bytes: Buffer, at: number): number {
  if (bytes[at] !== quote) return valueEnd(bytes, at)
  const end = stringEnd(bytes, at) + 1
  // Nearly always; the general way looks at every byte again.
  return bytes[end] === comma || bytes[end] === close ? end : valueEnd(bytes, at)
}

/** Takes back what is noted of a field: where it is repeated, the last counts. */
function forget({ place, inside }: Field): void {
  if (place !== none) inside.notes.spans[inside.notes.base + 2 * place] = none
  for (const field of inside.fields) forget(field)
}

function note(bytes: Buffer, span: { start: number; end: number }, { place, inside }: Field): void {
  let last = span.end
  while (last > span.start && (bytes[last - 1] ?? 0) <= space) last -= 1
  const at = inside.notes.base + 2 * place
  inside.notes.spans[at] = span.start
  inside.notes.spans[at + 1] = last
}

/** Notes the value at `start`, or what is wanted inside it; returns where it ends, or -1 where it does not. */
function take(bytes: Buffer, start: number, field: Field): number {
  const { place, inside } = field
  if (inside.fields.length > 0) {
    forget(field)
    if (bytes[start] === open) {
      const end = search(bytes, start, inside)
      return end === none ? none : valueEnd(bytes, end)
    }
  }
  const end = endOf(bytes, start)
  if (place !== none) note(bytes, { start, end }, field)
  return end
}

/** Where the value of the field begins whose name ends before `at`; -1 where there is none. */
function valueStart(bytes: Buffer, at: number): number {
  const after = skipSpace(bytes, at)
  return bytes[after] === colon ? skipSpace(bytes, after + 1) : none
}

/** The first byte after the object at `from`; -1 where there is none or it does not end. */
function search(bytes: Buffer, from: number, level: Level): number {
  const { length } = bytes
  let at = skipSpace(bytes, from + 1)
  if (bytes[at] === close) return at + 1
  while (at < length && bytes[at] === quote) {
    const field = fieldAt(bytes, at + 1, level)
    const named = field === undefined ? stringEnd(bytes, at) + 1 : at + 1 + field.quoted.length
    const start = valueStart(bytes, named)
    if (start === none) return none
    const end = field === undefined ? endOf(bytes, start) : take(bytes, start, field)
    if (end === none || end >= length) return none
    if (bytes[end] === close) return end + 1
    at = skipSpace(bytes, end + 1)
  }
  return none
}

/** Notes in `spans`, from `base` on, where the wanted values of a record stand, of repeated ones the last; whether it is an object, and whole. Else none is noted. */
export function findPlaces(
  bytes: Buffer,
  { root, stride }: Places,
  { spans, base }: { readonly spans: Int32Array; readonly base: number },
): boolean {
  spans.fill(none, base, base + stride)
  root.notes.spans = spans
  root.notes.base = base
  root.next = 0
  const start = skipSpace(bytes, 0)
  const isWhole = bytes[start] === open && search(bytes, start, root) !== none
  if (!isWhole) spans.fill(none, base, base + stride)
  return isWhole
}
