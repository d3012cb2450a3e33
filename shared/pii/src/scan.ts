import * as hint from './hints.ts'
import { FRAME, LEAF, NUMBER, type Records, walkJson } from './json.ts'
import { createLeaf, type Hit, type Leaf } from './leaf.ts'
import { createOffsetMap, type OffsetMap } from './offsets.ts'
import { pathOf } from './path.ts'
import { isPlaceholder } from './placeholder.ts'
import { readLeaf, settleHits } from './text.ts'
import type { Detection } from './types.ts'

/** JSON inside JSON strings is opened this many times. */
const LEVELS_MAX = 3
const NESTED_MIN = 4

/** A detection together with what is needed to replace it. */
export interface Found extends Detection {
  readonly path: string
  /** A bare JSON number: its replacement needs quotes. */
  readonly isNumber: boolean
  /** How many JSON strings lie around the place. */
  readonly level: number
}

export interface ScanOptions {
  readonly json: boolean
  readonly withPaths: boolean
  /** Prepended to every path. */
  readonly path: string
}

/** One text at one level of nesting. */
interface Layer {
  readonly text: string
  readonly level: number
  readonly own: number
  readonly path: string
  /** From an offset of this text to one of the text that was given. */
  readonly toRaw: OffsetMap
}

interface Scan {
  readonly found: Found[]
  readonly withPaths: boolean
  readonly leaf: Leaf
}

const isOpening = (c: number): boolean => c === 123 || c === 91

const firstSolid = (text: string, from: number, to: number): number => {
  let i = from
  while (i < to && text.charCodeAt(i) <= 32) i++
  return i
}

/** Where in a document a value stands; none for plain text. */
interface Place {
  readonly records: Records
  readonly at: number
}

const emit = (scan: Scan, layer: Layer, place: Place | undefined): void => {
  const { hits } = scan.leaf
  if (hits.length === 0) return
  const path = scan.withPaths ? pathAt(layer, place) : ''
  const { isNumber } = scan.leaf
  for (const hit of settleHits(hits))
    if (!isPlaceholder(scan.leaf, hit)) scan.found.push(placed(layer, hit, { isNumber, path }))
  scan.leaf.hits = []
}

const pathAt = (layer: Layer, place: Place | undefined): string =>
  place === undefined ? layer.path : leafPath(layer, place.records, place.at)

const placed = (layer: Layer, hit: Hit, more: { isNumber: boolean; path: string }): Found => ({
  type: hit.type,
  start: layer.toRaw(hit.start),
  end: layer.toRaw(hit.end),
  score: hit.score,
  level: layer.level,
  ...more,
})

interface Value {
  readonly start: number
  readonly end: number
  readonly own: number
}

const read = (scan: Scan, text: string, value: Value): void => {
  const { leaf } = scan
  leaf.text = text
  leaf.start = value.start
  leaf.end = value.end
  leaf.own = value.own
  leaf.isNumber = false
  leaf.isPart = false
  readLeaf(leaf)
}

/** A bare `name` is a person's beside other personal fields or inside somebody's object. */
const withSiblings = (own: number, siblings: number, frame: { own: number; labels: number }): number => {
  let hints = own
  if ((own & (hint.KINDS | hint.DENY)) === 0 && ((own & hint.GENERIC) !== 0 || own === 0))
    hints |= frame.labels
  const personal = hint.EMAIL | hint.PHONE | hint.SSN | hint.BIRTH | hint.ADDRESS | hint.PASSPORT
  if ((own & hint.PLAIN_NAME) !== 0 && ((siblings & personal) !== 0 || (frame.own & hint.PERSON) !== 0))
    hints |= hint.NAME
  if ((own & hint.PLACE) !== 0 && ((siblings | frame.own) & hint.ADDRESS) !== 0) hints |= hint.ADDRESS
  return hints
}

const hintsOf = (records: Records, at: number): number => {
  const own = records.leaves[at + 2] ?? 0
  const frame = (records.leaves[at + 4] ?? 0) * FRAME
  const { frames } = records
  return withSiblings(own, frames[frame + 4] ?? 0, {
    own: frames[frame + 3] ?? 0,
    labels: frames[frame + 5] ?? 0,
  })
}

const prefixed = (prefix: string, path: string): string => {
  if (prefix === '' || path === '') return prefix + path
  return path.startsWith('[]') ? prefix + path : `${prefix}.${path}`
}

const leafPath = (layer: Layer, records: Records, at: number): string =>
  prefixed(layer.path, pathOf(records, records.leaves[at + 3] ?? -1, records.leaves[at + 4] ?? 0))

/** Decodes a string with escapes, or gives it back as it stands where an escape is broken. */
const decoded = (text: string, start: number, end: number): string | undefined => {
  try {
    const value: unknown = JSON.parse(text.slice(start - 1, end + 1))
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether a string may hold a JSON document: brackets alone are no sign, `[EMAIL]` has them too. */
const isNested = (layer: Layer, value: Value): boolean => {
  if (layer.level >= LEVELS_MAX) return false
  const first = firstSolid(layer.text, value.start, value.end)
  if (!isOpening(layer.text.charCodeAt(first)) || value.end - first < NESTED_MIN) return false
  const second = firstSolid(layer.text, first + 1, value.end)
  return INSIDE.has(layer.text.charCodeAt(second))
}

const INSIDE = new Set(Array.from('"{[]}-0123456789tfn', char => char.charCodeAt(0)))

const nestedLayer = (
  scan: Scan,
  layer: Layer,
  more: { text: string; own: number; inner: OffsetMap; place: Place },
): Layer => ({
  text: more.text,
  level: layer.level + 1,
  own: more.own,
  path: scan.withPaths ? pathAt(layer, more.place) : '',
  toRaw: offset => layer.toRaw(more.inner(offset)),
})

/** A string with escapes: its decoded text is read, and what is found there is mapped back. */
const scanEscaped = (scan: Scan, layer: Layer, given: { value: Value; place: Place }): boolean => {
  const { value, place } = given
  const text = decoded(layer.text, value.start, value.end)
  if (text === undefined) return false
  const inner = createOffsetMap(layer.text, value.start)
  const whole: Value = { start: 0, end: text.length, own: value.own }
  if (isNested({ ...layer, text }, whole)) {
    scanDocuments(scan, nestedLayer(scan, layer, { text, own: value.own, inner, place }))
    return true
  }
  read(scan, text, whole)
  if (scan.leaf.hits.length > 0)
    emit(scan, { ...layer, text, toRaw: offset => layer.toRaw(inner(offset)) }, place)
  return true
}

const scanPlain = (scan: Scan, layer: Layer, given: { value: Value; place: Place }): void => {
  const { value, place } = given
  if (isNested(layer, value)) {
    const text = layer.text.slice(value.start, value.end)
    const inner: OffsetMap = offset => offset + value.start
    scanDocuments(scan, nestedLayer(scan, layer, { text, own: value.own, inner, place }))
    return
  }
  read(scan, layer.text, value)
  emit(scan, layer, place)
}

/** A bare number is replaced whole or not at all. */
const scanNumber = (scan: Scan, layer: Layer, given: { value: Value; place: Place }): void => {
  const { leaf } = scan
  read(scan, layer.text, given.value)
  const [first] = leaf.hits
  if (first === undefined) return
  leaf.isNumber = true
  leaf.hits = [{ ...first, start: given.value.start, end: given.value.end }]
  emit(scan, layer, given.place)
}

const readRecord = (
  scan: Scan,
  layer: Layer,
  given: { value: Value; place: Place; escape: number },
): void => {
  const kind = given.place.records.leaves[given.place.at + 5]
  if (kind === NUMBER) scanNumber(scan, layer, given)
  else if (given.escape >= given.value.end || !scanEscaped(scan, layer, given)) scanPlain(scan, layer, given)
}

/** Reads the leaves of one document in their order. */
const readRecords = (scan: Scan, layer: Layer, records: Records): void => {
  const { text, leaves } = records
  let escape = -1
  for (let n = 0; n < records.leafCount; n++) {
    const at = n * LEAF
    const start = leaves[at] ?? 0
    if (escape < start) {
      escape = text.indexOf('\\', start)
      if (escape < 0) escape = text.length
    }
    const value: Value = { start, end: leaves[at + 1] ?? 0, own: hintsOf(records, at) }
    readRecord(scan, layer, { value, place: { records, at }, escape })
  }
}

/** Reads a stretch as plain text; a stretch of a broken document is no whole value. */
const scanStretch = (
  scan: Scan,
  layer: Layer,
  range: { start: number; end: number; isPart: boolean },
): void => {
  const { leaf } = scan
  leaf.text = layer.text
  leaf.start = range.start
  leaf.end = range.end
  leaf.own = layer.own
  leaf.isNumber = false
  leaf.isPart = range.isPart
  readLeaf(leaf)
  emit(scan, layer, undefined)
}

const nextDocument = (text: string, from: number): number => {
  const object = text.indexOf('\n{', from)
  const array = text.indexOf('\n[', from)
  if (object < 0 && array < 0) return text.length
  return 1 + (object < 0 || (array >= 0 && array < object) ? array : object)
}

const isLineEnd = (text: string, from: number): boolean => {
  const next = firstSolid(text, from, text.length)
  return next === text.length || text.slice(from, next).includes('\n')
}

/** A text that is nothing but one JSON string or number. */
const isScalar = (text: string, first: number): boolean => {
  const c = text.charCodeAt(first)
  if (c !== 34 && c !== 45 && !(c >= 48 && c <= 57)) return false
  if (c !== 34 && text.length > 400) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Reads JSON values one after another (NDJSON too), and as text what is none. */
const scanDocuments = (scan: Scan, layer: Layer): void => {
  const { text } = layer
  const flush = (records: Records): void => readRecords(scan, layer, records)
  const first = firstSolid(text, 0, text.length)
  let i = first
  if (isScalar(text, i)) {
    walkJson(text, i, { own: layer.own, flush })
    return
  }
  while (i < text.length) {
    let end = isOpening(text.charCodeAt(i)) ? walkJson(text, i, { own: layer.own, flush }) : ~i
    if (end >= 0 && !isLineEnd(text, end)) end = ~end
    if (end < 0) {
      const start = ~end
      end = nextDocument(text, start)
      scanStretch(scan, layer, { start, end, isPart: start > first })
    }
    i = firstSolid(text, end, text.length)
  }
}

const identity: OffsetMap = offset => offset

/** Every find in a text, ordered by place and without overlaps. */
export const scan = (text: string, options: ScanOptions): readonly Found[] => {
  const state: Scan = { found: [], withPaths: options.withPaths, leaf: createLeaf() }
  const layer: Layer = { text, level: 0, own: 0, path: options.path, toRaw: identity }
  if (options.json) scanDocuments(state, layer)
  else scanStretch(state, layer, { start: 0, end: text.length, isPart: false })
  return state.found
}
