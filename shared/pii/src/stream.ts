import type { Finding, Masker, MaskOptions } from './masker.ts'

/** Text that does not end a paragraph is cut at about this many units, at a blank far from everything that was found. */
const TEXT_MAX = 16_384
/** What must be read behind a cut before it is made: no value is longer, but for key files. */
const HOLD = 2048
/** No find depends on words further before it. */
const REACH = 160
/** A JSON document longer than this is no longer waited for. */
const JSON_MAX = 1 << 24

/** Masks a text that arrives in chunks: any chunking gives the same output, and nothing goes out before what it belongs to is read. */
export interface MaskStream {
  /** Takes a chunk and returns what is certain by now. */
  readonly push: (chunk: string) => string
  /** Returns the rest; the stream is empty and usable again after it. */
  readonly end: () => string
  /** Everything found since the stream was opened. */
  readonly findings: () => readonly Finding[]
}

/** How far a unit has been read: a JSON document up to its last bracket, or a paragraph. */
interface Unit {
  size: number
  depth: number
  isJson: boolean
  /** Nothing but blanks so far. */
  isBlank: boolean
  isString: boolean
  isEscape: boolean
  breaks: number
}

const newUnit = (): Unit => ({
  size: 0,
  depth: 0,
  isJson: false,
  isBlank: true,
  isString: false,
  isEscape: false,
  breaks: 0,
})

const inString = (unit: Unit, c: number): void => {
  if (unit.isEscape) unit.isEscape = false
  else if (c === 92) unit.isEscape = true
  else if (c === 34) unit.isString = false
}

const isOpening = (c: number): boolean => c === 123 || c === 91

/** True when the document ends with this unit. */
const stepJson = (unit: Unit, c: number): boolean => {
  if (unit.isString) inString(unit, c)
  else if (c === 34) unit.isString = true
  else if (isOpening(c)) unit.depth++
  else if (c === 125 || c === 93) unit.depth--
  return unit.depth <= 0
}

/** True when a blank line ends the paragraph. */
const stepText = (unit: Unit, c: number): boolean => {
  if (c === 10) unit.breaks++
  else if (c !== 13) unit.breaks = 0
  return unit.breaks >= 2
}

/** Reads one code unit; true where the unit ends behind it. */
const step = (unit: Unit, c: number): boolean => {
  if (unit.isBlank && isOpening(c)) unit.isJson = true
  unit.isBlank = unit.isBlank && c <= 32
  unit.size++
  return unit.isJson ? stepJson(unit, c) : stepText(unit, c)
}

const isFull = (unit: Unit): boolean => unit.size >= (unit.isJson ? JSON_MAX : TEXT_MAX + HOLD)

interface Span {
  readonly start: number
  readonly end: number
}

/** Start of a key file that has begun and not ended: one value, whatever was found of it; the text's end where there is none. */
const openKey = (text: string): number => {
  const start = text.lastIndexOf('-----BEGIN ')
  return start < 0 || text.includes('-----END ', start) ? text.length : start
}

/** Behind the last blank in a stretch, or -1. */
const lastBlank = (text: string, from: number, to: number): number => {
  for (let i = to; i > from; i--) if (text.charCodeAt(i - 1) <= 32) return i
  return -1
}

/** Stretches in which nothing was found, the last first; behind it nothing is known to follow. */
const freeStretches = (found: readonly Span[]): readonly Span[] => {
  const free: Span[] = []
  let from = 0
  for (const { start, end } of found) {
    free.push({ start: from, end: start })
    from = end
  }
  free.push({ start: from, end: Infinity })
  return free.toReversed()
}

/** Where a text that grows too long is cut: at the last blank behind which nothing is found near by, else at one inside nothing, else at its end. */
const cutOf = (text: string, found: readonly Span[]): number => {
  const limit = Math.min(text.length - HOLD, openKey(text))
  const free = freeStretches(found)
  for (const margin of [REACH, 0])
    for (const { start, end } of free) {
      const cut = lastBlank(text, start, Math.min(limit, end - margin))
      if (cut > 0) return cut
    }
  return text.length
}

/** Opens a stream on a masker; pieces that belong together are one JSON document or one paragraph of at most 16,384 units. */
export const createMaskStream = (masker: Masker, options: MaskOptions = {}): MaskStream => {
  let pending = ''
  let unit = newUnit()
  const found: Finding[] = []
  const flush = (text: string): string => {
    const masked = masker.mask(text, options)
    found.push(...masked.findings)
    return masked.text
  }
  const cutAt = (text: string): number =>
    unit.isJson ? text.length : cutOf(text, masker.explain(text, options))
  const finish = (text: string, isDone: boolean): string => {
    const cut = isDone ? text.length : cutAt(text)
    pending = ''
    unit = newUnit()
    return flush(text.slice(0, cut)) + pushText(text.slice(cut))
  }
  const pushText = (chunk: string): string => {
    let out = ''
    let from = 0
    for (let i = 0; i < chunk.length; i++) {
      const isDone = step(unit, chunk.charCodeAt(i))
      if (!isDone && !isFull(unit)) continue
      out += finish(pending + chunk.slice(from, i + 1), isDone)
      from = i + 1
    }
    pending += chunk.slice(from)
    return out
  }
  return {
    push: pushText,
    end: () => {
      const text = pending
      pending = ''
      unit = newUnit()
      return text === '' ? '' : flush(text)
    },
    findings: () => found,
  }
}

const SLICE = 65_536

/** The masked text in pieces, so that a caller can let others run in between; one JSON document is one piece. */
export function* maskSlices(
  masker: Masker,
  text: string,
  options: MaskOptions = {},
): Generator<string, void> {
  const stream = createMaskStream(masker, options)
  for (let i = 0; i < text.length; i += SLICE) {
    const piece = stream.push(text.slice(i, i + SLICE))
    if (piece !== '') yield piece
  }
  const rest = stream.end()
  if (rest !== '') yield rest
}
