import { type Kinds, markKinds } from './custom.ts'
import { decodeBase64, decodeSigns } from './encodings.ts'
import { createEscapes, type Escapes, stringEndAt, unescape } from './escapes.ts'
import { dropInvisible } from './fold.ts'
import * as hint from './hints.ts'
import { ESCAPED, FRAME, LEAF, NUMBER, type Records, walkJson } from './json.ts'
import { hintsOfLabel } from './keys.ts'
import { mayHide, withHidden } from './hidden.ts'
import { addHit, createLeaf, type Hit, type Leaf } from './leaf.ts'
import { createOffsetMap } from './offsets.ts'
import { pathOf, prefixed } from './path.ts'
import { isBookkeeping } from './recognizers/secret-prefixes.ts'
import { releaseQuiet } from './quiet.ts'
import { bufferAt, close, fill, openText, releaseBuffers, type OffsetMap, type Source } from './source.ts'
import { readLeaf, settleHits } from './text.ts'
import type { Detection } from './types.ts'

/** JSON inside JSON strings is opened this many times. */
const LEVELS_MAX = 3
const NESTED_MIN = 4

/** A detection together with what is needed to replace it. */
export interface Found extends Detection {
  readonly path: string
  /** Name of a custom kind. */
  readonly kind: string | undefined
  /** A bare JSON number: its replacement needs quotes. */
  readonly isNumber: boolean
  /** How many JSON strings lie around the place; the last of them is the value itself. */
  readonly level: number
}

export interface ScanOptions {
  readonly json: boolean
  readonly withPaths: boolean
  /** Prepended to every path. */
  readonly path: string
  /** What else is looked for, and how what was masked before begins. */
  readonly kinds: Kinds
}

/** One text at one level of nesting. */
interface Layer {
  readonly source: Source
  readonly level: number
  readonly own: number
  readonly path: string
  /** From an offset of this text to one of the text that was given. */
  readonly toRaw: OffsetMap
}

/** One value of a document. */
interface Value {
  records: Records
  at: number
  start: number
  end: number
  own: number
  readonly path: ''
}

interface Scan {
  readonly found: Found[]
  readonly withPaths: boolean
  readonly kinds: Kinds
  readonly leaf: Leaf
  /** How many encodings were undone to get here. */
  readonly depth: number
}

const isOpening = (c: number | undefined): boolean => c === 123 || c === 91

const firstSolid = (source: Source, from: number, to: number): number => {
  let i = from
  while (i < to && (source.bytes[i] ?? 0) <= 32) i++
  return i
}

const pathAt = (layer: Layer, value: Value | undefined): string => {
  if (value === undefined) return layer.path
  const { leaves } = value.records
  return prefixed(layer.path, pathOf(value.records, leaves[value.at + 3] ?? -1, leaves[value.at + 4] ?? 0))
}

interface Place {
  readonly isNumber: boolean
  readonly path: string
  readonly level: number
}

const placed = (layer: Layer, hit: Hit, more: Place): Found => ({
  type: hit.type,
  kind: hit.kind,
  start: layer.toRaw(hit.start),
  end: layer.toRaw(hit.end),
  score: hit.score,
  path: more.path,
  isNumber: more.isNumber,
  level: more.level,
})

const emit = (scan: Scan, layer: Layer, value: Value | undefined): void => {
  const { leaf } = scan
  const level = value === undefined || leaf.isNumber ? layer.level : layer.level + 1
  const more = { isNumber: leaf.isNumber, path: scan.withPaths ? pathAt(layer, value) : '', level }
  for (const hit of settleHits(leaf.hits)) scan.found.push(placed(layer, hit, more))
  leaf.hits = []
}

interface Range {
  readonly start: number
  readonly end: number
  readonly own: number
  readonly path: string
}

const markLeaf = (scan: Scan, path: string): void => {
  const { leaf, kinds } = scan
  leaf.hasSigns = false
  leaf.base64 = []
  markKinds(kinds, leaf, path)
}

const readOnce = (scan: Scan, source: Source, range: Range): void => {
  const { leaf } = scan
  leaf.source = source
  leaf.bytes = source.bytes
  leaf.start = range.start
  leaf.end = range.end
  leaf.own = range.own
  leaf.isNumber = false
  if (leaf.marks.length > 0) leaf.marks = []
  if (scan.kinds.all.length > 0) markLeaf(scan, range.path)
  if (!scan.kinds.isAlone) readLeaf(leaf, scan.kinds.openings)
  if (leaf.marks.length > 0) leaf.hits.push(...leaf.marks)
  if (leaf.hasSigns || leaf.base64.length > 0) readEncoded(scan)
}

/** One leaf per depth of encodings for what is read again, made once. */
const againLeaves: Leaf[] = []

/** Reads a leaf as it will stand once what was found in it is masked. */
const readAgain = (scan: Scan, masked: string, range: Range): readonly Hit[] => {
  const again: Scan = { ...scan, leaf: (againLeaves[scan.depth] ??= createLeaf()) }
  const bytes = new Uint8Array(2 * masked.length + 64)
  fill(masked, bytes)
  const { leaf } = again
  leaf.hits = []
  leaf.isPart = scan.leaf.isPart
  const source: Source = { bytes, size: masked.length, text: () => masked, plain: undefined }
  readOnce(again, source, { start: 0, end: masked.length, own: range.own, path: range.path })
  return settleHits(leaf.hits)
}

/** Reads one stretch, and once more what its finds may hide; false when nothing is found. */
const read = (scan: Scan, source: Source, range: Range): boolean => {
  const { leaf, kinds } = scan
  leaf.isGlued = false
  readOnce(scan, source, range)
  if (leaf.hits.length === 0) return false
  if (!kinds.isAlone && mayHide(leaf))
    leaf.hits = withHidden(leaf, settleHits(leaf.hits), masked => readAgain(scan, masked, range))
  return true
}

const ENCODED_MAX = 1 << 18
const ENCODED_DEPTH = 2

const apartLeaves: Leaf[] = []

/** One leaf per depth of encodings, made once. */
const apartLeaf = (depth: number): Leaf => (apartLeaves[depth] ??= createLeaf())

/** Codes of a decoded text, one buffer per depth: what is encoded is small, and a fresh buffer for each costs more than to read it. */
const apartBytes: Uint8Array[] = []

/** Finds in a text of its own, with what was encoded in it; the buffers of the text around it are in use. */
const scanApart = (text: string, { depth, kinds }: Scan, own: number): readonly Found[] => {
  const known = apartBytes[depth]
  const bytes =
    known !== undefined && known.length > text.length ? known : new Uint8Array(2 * text.length + 64)
  apartBytes[depth] = bytes
  fill(text, bytes)
  const source: Source = { bytes, size: text.length, text: () => text, plain: undefined }
  const apart: Scan = {
    found: [],
    withPaths: false,
    kinds,
    leaf: apartLeaf(depth),
    depth: depth + 1,
  }
  scanDocuments(apart, { source, level: LEVELS_MAX, own, path: '', toRaw: offset => offset })
  return apart.found
}

/** `%40` and `&#64;`: read once more with the signs decoded. */
const readSigns = (scan: Scan): void => {
  const { leaf } = scan
  const decoded = decodeSigns(leaf.source, leaf)
  if (decoded === undefined) return
  for (const one of scanApart(decoded.text, scan, leaf.own)) {
    const start = decoded.from[one.start] ?? leaf.start
    const end = decoded.from[one.end] ?? leaf.end
    addHit(leaf, { type: one.type, kind: one.kind, start, end, score: one.score })
  }
}

/** A token of base64 that hides personal data is masked whole, under the kind that was found first. */
const readBase64 = (scan: Scan): void => {
  const { leaf } = scan
  const { base64 } = leaf
  for (let i = 0; i + 1 < base64.length; i += 2) {
    const start = base64[i] ?? 0
    const end = base64[i + 1] ?? 0
    const text = decodeBase64(leaf.source, { start, end })
    const [first] = text === undefined ? [] : scanApart(text, scan, 0)
    if (first !== undefined)
      addHit(leaf, { type: first.type, kind: first.kind, start, end, score: first.score })
  }
}

const readEncoded = (scan: Scan): void => {
  const { leaf, depth } = scan
  if (depth >= ENCODED_DEPTH || leaf.end - leaf.start > ENCODED_MAX) return
  if (leaf.hasSigns && depth === 0) readSigns(scan)
  readBase64(scan)
}

const PERSONAL = hint.EMAIL | hint.PHONE | hint.SSN | hint.BIRTH | hint.ADDRESS | hint.PASSPORT

/** A bare `name` is a person's beside other personal fields or inside somebody's object. */
const withSiblings = (own: number, siblings: number, frameOwn: number): number => {
  let hints = own
  if ((own & hint.PLAIN_NAME) !== 0 && ((siblings & PERSONAL) !== 0 || (frameOwn & hint.PERSON) !== 0))
    hints |= hint.NAME
  if ((own & hint.PLACE) !== 0 && ((siblings | frameOwn) & hint.ADDRESS) !== 0) hints |= hint.ADDRESS
  return hints
}

/** What the label at `at` means; the answer, negated, takes the place of the question. */
const labelHints = (records: Records, at: number): number => {
  const label = records.frames[at] ?? 0
  if (label < 0) return ~label
  const hints = hintsOfLabel(records.source, label)
  records.frames[at] = ~hints
  return hints
}

/** Where a key says nothing itself, the labels beside it do. */
const hintsOf = (records: Records, at: number): number => {
  const own = records.leaves[at + 2] ?? 0
  const frame = (records.leaves[at + 4] ?? 0) * FRAME
  const { frames } = records
  const label = frames[frame + 5] ?? 0
  const isOpen = label !== 0 && (own & (hint.KINDS | hint.DENY)) === 0 && (own & hint.GENERIC) !== 0
  return withSiblings(
    isOpen ? own | labelHints(records, frame + 5) : own,
    frames[frame + 4] ?? 0,
    frames[frame + 3] ?? 0,
  )
}

const INSIDE = new Set(Array.from('"{[]}-0123456789tfn', char => char.charCodeAt(0)))

/** Whether a string may hold a JSON document: brackets alone are no sign, `[EMAIL]` has them too. */
const isNested = (source: Source, from: number, to: number): boolean => {
  const first = firstSolid(source, from, to)
  return to - first >= NESTED_MIN && mayOpen(source, first, to)
}

const parsed = (text: string): string => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

/** The text behind decoded codes; the codes themselves where an escape is broken. */
const lazyText = (
  source: Source,
  value: Value,
  decoded: { bytes: Uint8Array; size: number },
): (() => string) => {
  let text: string | undefined
  return () => {
    text ??= parsed(source.text().slice(value.start - 1, value.end + 1))
    if (text.length > decoded.size) text = dropInvisible(text).text
    if (text.length !== decoded.size)
      text = Array.from(decoded.bytes.subarray(0, decoded.size), code => String.fromCharCode(code)).join('')
    return text
  }
}

/** Room for what a string decodes to, of its own for each level of nesting in each text that was encoded: the others are in use. */
const slotOf = (scan: Scan, layer: Layer): number => scan.depth * (LEVELS_MAX + 2) + layer.level + 1

/** Escapes of the string that is read in each slot. */
const escapesBySlot: Escapes[] = []
const ESCAPES_KEPT = 1 << 16

const escapesAt = (slot: number): Escapes => {
  const known = escapesBySlot[slot]
  if (known !== undefined && known.at.length <= ESCAPES_KEPT) return known
  const fresh = createEscapes()
  escapesBySlot[slot] = fresh
  return fresh
}

const decode = (
  source: Source,
  value: Value,
  out: { readonly bytes: Uint8Array; readonly escapes: Escapes },
): Source => {
  const { bytes } = out
  const size = unescape(source, value, out)
  close(bytes, size)
  return { bytes, size, text: lazyText(source, value, { bytes, size }), plain: undefined }
}

/** The path where custom kinds ask for it: most policies have none, and paths cost time. */
const kindPath = (scan: Scan, layer: Layer, value: Value): string =>
  scan.kinds.all.length > 0 ? pathAt(layer, value) : ''

const rangeOf = (scan: Scan, layer: Layer, value: Value): Range =>
  scan.kinds.all.length === 0
    ? value
    : { start: value.start, end: value.end, own: value.own, path: kindPath(scan, layer, value) }

const inner = (scan: Scan, layer: Layer, more: { source: Source; value: Value; map: OffsetMap }): Layer => ({
  source: more.source,
  level: layer.level + 1,
  own: more.value.own,
  path: scan.withPaths ? pathAt(layer, more.value) : '',
  toRaw: offset => layer.toRaw(more.map(offset)),
})

/** A string with escapes: its decoded text is read, and what is found there is mapped back. */
const scanEscaped = (scan: Scan, layer: Layer, value: Value): void => {
  const slot = slotOf(scan, layer)
  const escapes = escapesAt(slot)
  const source = decode(layer.source, value, { bytes: bufferAt(slot, value.end - value.start), escapes })
  const map = createOffsetMap(escapes, value.start)
  if (layer.level < LEVELS_MAX && isNested(source, 0, source.size))
    scanDocuments(scan, inner(scan, layer, { source, value, map }))
  else if (
    read(scan, source, { start: 0, end: source.size, own: value.own, path: kindPath(scan, layer, value) })
  )
    emit(scan, { ...layer, toRaw: offset => layer.toRaw(map(offset)) }, value)
}

const scanPlain = (scan: Scan, layer: Layer, value: Value): void => {
  const { source } = layer
  if (layer.level < LEVELS_MAX && isNested(source, value.start, value.end)) {
    const { start, end } = value
    const part: Source = {
      bytes: source.bytes.subarray(start, end),
      size: end - start,
      text: () => source.text().slice(start, end),
      plain: undefined,
    }
    scanDocuments(scan, inner(scan, layer, { source: part, value, map: offset => offset + start }))
  } else if (read(scan, source, rangeOf(scan, layer, value))) emit(scan, layer, value)
}

/** A bare number is replaced whole or not at all. */
const scanNumber = (scan: Scan, layer: Layer, value: Value): void => {
  const { leaf } = scan
  if (!read(scan, layer.source, rangeOf(scan, layer, value))) return
  const [first] = leaf.hits
  if (first === undefined) return
  leaf.isNumber = true
  leaf.hits = [{ type: first.type, kind: first.kind, score: first.score, start: value.start, end: value.end }]
  emit(scan, layer, value)
}

/** A short token under a key of bookkeeping, unless a custom kind may know better. */
const isNobodys = (scan: Scan, layer: Layer, value: Value): boolean =>
  (value.own & (hint.DENY | hint.KINDS)) === hint.DENY &&
  scan.kinds.all.length === 0 &&
  isBookkeeping(layer.source, value)

const scanValue = (scan: Scan, layer: Layer, value: Value): void => {
  const kind = value.records.leaves[value.at + 5]
  if (kind === NUMBER) scanNumber(scan, layer, value)
  else if (isNobodys(scan, layer, value)) return
  else if (kind === ESCAPED) scanEscaped(scan, layer, value)
  else scanPlain(scan, layer, value)
}

/** Reads the leaves of one document in their order. */
const readRecords = (scan: Scan, layer: Layer, records: Records): void => {
  const { leaves } = records
  const value: Value = { records, at: 0, start: 0, end: 0, own: 0, path: '' }
  for (let n = 0; n < records.leafCount; n++) {
    const at = n * LEAF
    value.at = at
    value.start = leaves[at] ?? 0
    value.end = leaves[at + 1] ?? 0
    value.own = hintsOf(records, at)
    scanValue(scan, layer, value)
  }
}

/** Reads a stretch as plain text; a stretch of a broken document is no whole value. */
const scanStretch = (
  scan: Scan,
  layer: Layer,
  range: { start: number; end: number; isPart: boolean },
): void => {
  scan.leaf.isPart = range.isPart
  if (read(scan, layer.source, { start: range.start, end: range.end, own: layer.own, path: layer.path }))
    emit(scan, layer, undefined)
  scan.leaf.isPart = false
}

/** Whether a bracket may open a document: what follows it must be able to. */
const mayOpen = (source: Source, i: number, to: number): boolean => {
  const c = source.bytes[i] ?? 0
  if (!isOpening(c)) return false
  const next = source.bytes[firstSolid(source, i + 1, to)] ?? 0
  return c === 123 ? next === 34 || next === 125 : INSIDE.has(next)
}

/** Start of the next line that opens an object or array. */
const nextDocument = (source: Source, from: number): number => {
  const { bytes, size } = source
  for (let i = bytes.indexOf(10, from); i >= 0 && i < size; i = bytes.indexOf(10, i + 1))
    if (i + 1 < size && mayOpen(source, i + 1, Math.min(size, i + LOOK_MAX))) return i + 1
  return size
}

const LOOK_MAX = 64

const isLineEnd = (source: Source, from: number): boolean => {
  const next = firstSolid(source, from, source.size)
  if (next === source.size) return true
  const line = source.bytes.indexOf(10, from)
  return line >= 0 && line < next
}

const WHOLE_NUMBER = /^[ \t\n\r]*-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[ \t\n\r]*$/

const lastSolid = (source: Source, first: number): number => {
  let i = source.size - 1
  while (i > first && (source.bytes[i] ?? 0) <= 32) i--
  return i
}

/** A text that is nothing but one JSON string or number. */
const isScalar = (source: Source, first: number): boolean => {
  const c = source.bytes[first] ?? 0
  if (c === 45 || (c >= 48 && c <= 57)) return WHOLE_NUMBER.test(source.text())
  return c === 34 && stringEndAt(source.bytes, first, source.size) === lastSolid(source, first) + 1
}

/** After this many documents that broke off, what is left is read as text: looking for more would cost more than it finds. */
const BROKEN_MAX = 32

/** Reads JSON values one after another (NDJSON too), and as text what is none. */
const scanDocuments = (scan: Scan, layer: Layer): void => {
  const { source } = layer
  const keepsAll = scan.kinds.all.length > 0
  const start = {
    own: layer.own,
    keepsAll,
    flush: (records: Records): void => readRecords(scan, layer, records),
  }
  const first = firstSolid(source, 0, source.size)
  if (isScalar(source, first)) {
    walkJson(source, first, start)
    return
  }
  let broken = 0
  for (let i = first; i < source.size;) {
    const isDocument = mayOpen(source, i, source.size)
    let end = isDocument ? walkJson(source, i, start) : ~i
    if (end >= 0 && !isLineEnd(source, end)) end = ~end
    if (end < 0) {
      broken += isDocument ? 1 : 0
      const from = ~end
      end = broken > BROKEN_MAX ? source.size : nextDocument(source, from)
      scanStretch(scan, layer, { start: from, end, isPart: from > first })
    }
    i = firstSolid(source, end, source.size)
  }
}

const leaf = createLeaf()

/** Every find in a text, ordered by place and without overlaps; with it, what can be read only once the finds beside it are masked. */
export const scan = (text: string, options: ScanOptions): readonly Found[] => {
  const { source, toRaw } = openText(text)
  const { withPaths, kinds } = options
  const state: Scan = { found: [], withPaths, kinds, leaf, depth: 0 }
  const layer: Layer = { source, level: 0, own: 0, path: options.path, toRaw }
  if (options.json) scanDocuments(state, layer)
  else scanStretch(state, layer, { start: 0, end: source.size, isPart: false })
  releaseBuffers()
  releaseQuiet()
  return state.found
}
