import { isUpper } from './chars.ts'
import * as hint from './hints.ts'
import { hashedKey, hintsAt, hintsOfLabel, type Key } from './keys.ts'
import type { Source } from './source.ts'

/** Leaves and frames are handed on and forgotten at this many, so a huge document needs no huge tables. */
const FLUSH_AT = 32_768
/** Containers deeper than this share the frame of the last one: they stay JSON, only their keys lose their meaning. */
const FRAMES_MAX = 4096

export const LEAF = 6
export const FRAME = 6

/** What a leaf is, in the sixth number of its record. */
const STRING = 1
export const NUMBER = 2
/** A string with a backslash in it. */
export const ESCAPED = 3

/** The records of one document: leaves are start, end, hints, key start, frame, kind; frames are parent, key start, key end, own hints, hints of all keys, start of the first label. */
export interface Records {
  source: Source
  leaves: Int32Array
  leafCount: number
  frames: Int32Array
  frameCount: number
  /** Paths of frames that were asked for. */
  paths: (string | undefined)[]
  /** Behind the last thing that was read without doubt. */
  safe: number
}

interface Walk extends Records, Key {
  kinds: Uint8Array
  depth: number
  /** Kind and frame of the innermost open container. */
  kind: number
  frame: number
  /** Frame of each open container, up to `FRAMES_MAX`. */
  open: Int32Array
  keyHints: number
  /** The last string that was read has a backslash in it. */
  hasEscape: boolean
  keepsAll: boolean
  flush: (records: Records) => void
}

const OBJECT = 1
const ARRAY = 2

const VALUE = 0
const AFTER = 1
const KEY_OR_CLOSE = 2
const KEY_ONLY = 3
const MEMBER = 4
const VALUE_OR_CLOSE = 5
const FAILED = 6

const grown = (table: Int32Array, needed: number): Int32Array => {
  if (needed <= table.length) return table
  const bigger = new Int32Array(Math.max(needed, table.length * 2))
  bigger.set(table)
  return bigger
}

/** Makes the container at the present depth the innermost. */
const settle = (walk: Walk): void => {
  walk.kind = walk.depth === 0 ? 0 : (walk.kinds[walk.depth] ?? 0)
  walk.frame = walk.open[Math.min(walk.depth, FRAMES_MAX)] ?? 0
}

/** Hints a value gets: its key's own, or, where that says nothing, what its container was called. */
const inherited = (own: number, parent: number): number =>
  (own & ~(hint.GENERIC | hint.SUSPECT | hint.PERSON | hint.LABEL)) === 0 &&
  (own === 0 ? false : (own & hint.GENERIC) !== 0)
    ? own | (parent & (hint.KINDS | hint.PERSON | hint.PLACE))
    : own

const ownHints = (walk: Walk): number => {
  const parent = walk.frames[walk.frame * FRAME + 3] ?? 0
  if (walk.kind === ARRAY) return parent
  return inherited(walk.keyHints, parent)
}

const addLeaf = (walk: Walk, start: number, end: number): number => {
  const at = walk.leafCount++ * LEAF
  if (at + LEAF > walk.leaves.length) walk.leaves = grown(walk.leaves, at + LEAF)
  const { leaves } = walk
  leaves[at] = start
  leaves[at + 1] = end
  leaves[at + 3] = walk.kind === OBJECT ? walk.keyStart : -1
  leaves[at + 4] = walk.frame
  return at
}

/** Renumbers the frames of the open containers from zero and drops all others. */
const forget = (walk: Walk): void => {
  walk.flush(walk)
  const last = Math.min(walk.depth, FRAMES_MAX)
  for (let depth = 0; depth <= last; depth++) {
    const from = (walk.open[depth] ?? 0) * FRAME
    walk.frames.copyWithin(depth * FRAME, from, from + FRAME)
    walk.frames[depth * FRAME] = depth - 1
    walk.open[depth] = depth
  }
  walk.frameCount = last + 1
  walk.frame = last
  walk.paths = []
  walk.leafCount = 0
}

const deepen = (walk: Walk): void => {
  const bigger = new Uint8Array(walk.kinds.length * 2)
  bigger.set(walk.kinds)
  walk.kinds = bigger
}

const push = (walk: Walk, kind: number): void => {
  const own = ownHints(walk)
  const parent = walk.frame
  const keyStart = walk.kind === OBJECT ? walk.keyStart : -1
  walk.depth++
  if (walk.depth >= walk.kinds.length) deepen(walk)
  walk.kinds[walk.depth] = kind
  walk.kind = kind
  if (walk.depth > FRAMES_MAX) return
  const at = walk.frameCount * FRAME
  walk.frames = grown(walk.frames, at + FRAME)
  walk.frames[at] = parent
  walk.frames[at + 1] = keyStart
  walk.frames[at + 2] = walk.keyEnd
  walk.frames[at + 3] = own
  walk.frames[at + 4] = 0
  walk.frames[at + 5] = 0
  walk.open = grown(walk.open, walk.depth + 1)
  walk.frame = walk.frameCount++
  walk.open[walk.depth] = walk.frame
}

/** Strings up to this size are read code by code: to ask the engine takes as long. */
const NEAR = 48

/** Quotes, backslashes and control signs: in one table, because letters, capitals and blanks by turns are hard to foretell for a processor. */
const STOPS = new Uint8Array(256).fill(1, 0, 32)
STOPS[34] = STOPS[92] = 1

/** Behind the closing quote of the string that opens at `from`, or -1 when it never closes or holds a bare control character. */
const stringEnd = (walk: Walk, from: number): number => {
  const { bytes, size, plain } = walk.source
  const near = plain === undefined ? size : Math.min(size, from + NEAR)
  walk.hasEscape = false
  for (let i = from + 1; i < near; i++) {
    const c = bytes[i] ?? 0
    if (STOPS[c] === 0) continue
    if (c === 34) return i + 1
    if (c < 32) return -1
    walk.hasEscape = true
    i++
  }
  const quote = plain === undefined ? -1 : plain.indexOf('"', near)
  return quote < 0 ? -1 : quote + 1
}

const isNumberChar = (c: number): boolean =>
  (c >= 48 && c <= 57) || c === 45 || c === 43 || c === 46 || c === 101 || c === 69

const digitsEnd = (bytes: Uint8Array, from: number, to: number): number => {
  let i = from
  while (i < to && (bytes[i] ?? 0) >= 48 && (bytes[i] ?? 0) <= 57) i++
  return i
}

/** Behind digits of which there must be one, or -1. */
const someDigits = (bytes: Uint8Array, from: number, to: number): number => {
  const end = digitsEnd(bytes, from, to)
  return end === from ? -1 : end
}

/** Behind the integer part: no zero before other digits. */
const integerEnd = (bytes: Uint8Array, from: number, to: number): number =>
  bytes[from] === 48 && from < to ? from + 1 : someDigits(bytes, from, to)

/** Behind a fraction, where there is one. */
const fractionEnd = (bytes: Uint8Array, from: number, to: number): number =>
  from >= 0 && from < to && bytes[from] === 46 ? someDigits(bytes, from + 1, to) : from

/** Behind an exponent, where there is one. */
const exponentEnd = (bytes: Uint8Array, from: number, to: number): number => {
  if (from < 0 || from >= to || ((bytes[from] ?? 0) | 32) !== 101) return from
  const sign = bytes[from + 1]
  return someDigits(bytes, sign === 43 || sign === 45 ? from + 2 : from + 1, to)
}

/** Whether the codes are a number as RFC 8259 writes it; the text behind them is not asked for, since nested texts are decoded for that. */
const isNumber = (bytes: Uint8Array, from: number, to: number): boolean => {
  const whole = integerEnd(bytes, bytes[from] === 45 ? from + 1 : from, to)
  return exponentEnd(bytes, fractionEnd(bytes, whole, to), to) === to
}

const numberEnd = (source: Source, from: number): number => {
  const { bytes, size } = source
  let i = from
  while (i < size && isNumberChar(bytes[i] ?? 0)) i++
  return isNumber(bytes, from, i) ? i : -1
}

/** Like `stringEnd`, with the hash of the string. */
const keyEnd = (walk: Walk, from: number): number => {
  const { bytes, size } = walk.source
  let hash = 0
  let codes = 0
  walk.hasEscape = false
  for (let i = from + 1; i < size; i++) {
    const c = bytes[i] ?? 0
    if (c === 34) {
      walk.keyHash = codes < 128 ? hash : -1
      return i + 1
    }
    if (c < 32) return -1
    hash = hashedKey(hash, c)
    codes |= c
    if (c !== 92) continue
    walk.hasEscape = true
    hash = hashedKey(hash, bytes[++i] ?? 0)
    codes |= bytes[i] ?? 0
  }
  return -1
}

const readKey = (walk: Walk, from: number): number => {
  const end = keyEnd(walk, from)
  if (end < 0) return end
  walk.keyStart = from + 1
  walk.keyEnd = end - 1
  walk.keyHints = hintsAt(walk.source, walk)
  const all = walk.frame * FRAME + 4
  walk.frames[all] = (walk.frames[all] ?? 0) | walk.keyHints
  if (walk.keepsAll || (walk.keyHints & hint.SUSPECT) !== 0) {
    const at = addLeaf(walk, from + 1, end - 1)
    walk.leaves[at + 2] = 0
    walk.leaves[at + 5] = walk.hasEscape ? ESCAPED : STRING
  }
  return end
}

/** The first label is only noted as its place; with a second one, the meaning of both, complemented, takes its place. */
const withLabel = (source: Source, known: number, start: number): number => {
  if (known === 0) return start
  const hints = known < 0 ? ~known : hintsOfLabel(source, known)
  return ~(hints | hintsOfLabel(source, start))
}

/** A label's value names its siblings: `{"type":"passport","number":…}`; only where it stands is noted, the meaning is asked for rarely. */
const noteLabel = (walk: Walk, start: number, end: number): void => {
  if (end - start > 42 || walk.kind !== OBJECT) return
  const at = walk.frame * FRAME
  walk.frames[at + 5] = withLabel(walk.source, walk.frames[at + 5] ?? 0, start)
}

const readString = (walk: Walk, from: number): number => {
  const end = stringEnd(walk, from)
  if (end < 0) return end
  if ((walk.keyHints & hint.LABEL) !== 0) noteLabel(walk, from + 1, end - 1)
  if (end - from < 4) return end
  const at = addLeaf(walk, from + 1, end - 1)
  walk.leaves[at + 2] = ownHints(walk)
  walk.leaves[at + 5] = walk.hasEscape ? ESCAPED : STRING
  return end
}

/** Short numbers and bookkeeping ones are nobody's. */
const isTelling = (own: number, size: number): boolean => {
  if (size < 1) return false
  return (own & (hint.KINDS | hint.PLACE)) !== 0 || (size > 5 && (own & hint.DENY) === 0)
}

const readNumber = (walk: Walk, from: number): number => {
  const end = numberEnd(walk.source, from)
  const own = ownHints(walk)
  if (walk.keepsAll || isTelling(own, end - from)) {
    const at = addLeaf(walk, from, end)
    walk.leaves[at + 2] = own
    walk.leaves[at + 5] = NUMBER
  }
  return end
}

/** The three words, by their first letter. */
const WORDS: (readonly number[])[] = []
for (const word of ['true', 'false', 'null'])
  WORDS[word.charCodeAt(0)] = Array.from(word, char => char.charCodeAt(0))

const readWord = (walk: Walk, from: number): number => {
  const { bytes } = walk.source
  const word = WORDS[bytes[from] ?? 0]
  if (word === undefined) return -1
  for (let i = 1; i < word.length; i++) if (bytes[from + i] !== word[i]) return -1
  return from + word.length
}

const readScalar = (walk: Walk, from: number, c: number): number => {
  if (c === 34) return readString(walk, from)
  if (c === 45 || (c >= 48 && c <= 57)) return readNumber(walk, from)
  return readWord(walk, from)
}

/** A bracket of what an earlier masking left: there a document breaks off, as it did at what stood there. */
const isMarked = ({ source }: Walk, from: number): boolean => isUpper(source.bytes[from + 1] ?? 0)

/** Where a value may stand: opens a container or reads a scalar. Returns the new offset, negative on failure. */
const readValue = (walk: Walk, from: number, c: number): number => {
  if (c === 123 || (c === 91 && !isMarked(walk, from))) {
    push(walk, c === 123 ? OBJECT : ARRAY)
    return from + 1
  }
  return readScalar(walk, from, c)
}

const stateAfterValue = (c: number): number => {
  if (c === 123) return KEY_OR_CLOSE
  return c === 91 ? VALUE_OR_CLOSE : AFTER
}

/** A comma or a closing bracket: the state after it, or FAILED. */
const punctuate = (walk: Walk, c: number): number => {
  const { kind } = walk
  if (c === 44 && kind !== 0) {
    walk.keyHints = 0
    return kind === OBJECT ? KEY_ONLY : VALUE
  }
  if ((c === 125 && kind === OBJECT) || (c === 93 && kind === ARRAY)) {
    walk.depth--
    settle(walk)
    return AFTER
  }
  return FAILED
}

const isSpace = (c: number): boolean => c === 32 || c === 10 || c === 13 || c === 9

const isClose = (c: number): boolean => c === 125 || c === 93

const NONE: Source = { bytes: new Uint8Array(0), size: 0, text: () => '', plain: undefined }

const createWalk = (): Walk => ({
  source: NONE,
  keepsAll: false,
  flush: () => undefined,
  leaves: new Int32Array(256 * LEAF),
  leafCount: 0,
  frames: new Int32Array(64 * FRAME),
  frameCount: 1,
  paths: [],
  safe: 0,
  kinds: new Uint8Array(64),
  depth: 0,
  kind: 0,
  frame: 0,
  open: new Int32Array(64),
  keyStart: -1,
  keyEnd: -1,
  keyHash: -1,
  keyHints: 0,
  hasEscape: false,
})

/** Walks that wait for their next document; nested documents need one each at the same time. */
const idle: Walk[] = []
const KEPT_MAX = 1 << 18

const release = (walk: Walk): void => {
  walk.source = NONE
  if (walk.leaves.length + walk.frames.length + walk.kinds.length < KEPT_MAX) idle.push(walk)
}

const open = (source: Source, start: Start): Walk => {
  const walk = idle.pop() ?? createWalk()
  walk.source = source
  walk.flush = start.flush
  walk.keepsAll = start.keepsAll
  walk.leafCount = 0
  walk.frameCount = 1
  walk.depth = 0
  walk.kind = 0
  walk.frame = 0
  walk.open[0] = 0
  walk.frames[0] = 0
  walk.frames[1] = 0
  walk.frames[2] = 0
  walk.frames[3] = start.own
  walk.frames[4] = 0
  walk.frames[5] = 0
  if (walk.paths.length > 0) walk.paths = []
  walk.keyHints = start.own === 0 ? 0 : start.own | hint.GENERIC
  return walk
}

/** What a document inherits from the place it was found in, and who reads its leaves. */
export interface Start {
  readonly own: number
  /** Also hands over numbers that no built-in kind looks at. */
  readonly keepsAll: boolean
  readonly flush: (records: Records) => void
}

interface Step {
  state: number
  i: number
}

const stepKey = (walk: Walk, step: Step, c: number): void => {
  if (c === 125 && step.state === KEY_OR_CLOSE) {
    step.state = punctuate(walk, c)
    step.i++
    return
  }
  const end = c === 34 ? readKey(walk, step.i) : -1
  const colon = end < 0 ? -1 : overSpace(walk.source, end)
  step.state = colon >= 0 && walk.source.bytes[colon] === 58 && colon < walk.source.size ? MEMBER : FAILED
  step.i = colon + 1
}

const stepValue = (walk: Walk, step: Step, c: number): void => {
  if (c === 93 && step.state === VALUE_OR_CLOSE) {
    step.state = punctuate(walk, c)
    step.i++
    return
  }
  const end = isClose(c) ? -1 : readValue(walk, step.i, c)
  step.state = end < 0 ? FAILED : stateAfterValue(c)
  step.i = end
}

const advance = (walk: Walk, step: Step, c: number): void => {
  const { state } = step
  if (state === AFTER) {
    step.state = punctuate(walk, c)
    step.i++
  } else if (state === KEY_OR_CLOSE || state === KEY_ONLY) stepKey(walk, step, c)
  else stepValue(walk, step, c)
}

/**
 * Reads one JSON value (RFC 8259) from `from` and hands its leaves to `flush`; never recurses.
 * Returns the offset behind it, or the bitwise complement of the offset from which on it is not JSON.
 */
export const walkJson = (source: Source, from: number, start: Start): number => {
  const walk = open(source, start)
  const step: Step = { state: VALUE, i: from }
  walk.safe = from
  while (step.state !== FAILED && moveOn(walk, step));
  const isWhole = step.state === AFTER && walk.depth === 0
  if (!isWhole) while (walk.leafCount > 0 && lastLeaf(walk) >= walk.safe) walk.leafCount--
  walk.flush(walk)
  const end = isWhole ? step.i : ~walk.safe
  release(walk)
  return end
}

const lastLeaf = (walk: Walk): number => walk.leaves[(walk.leafCount - 1) * LEAF] ?? 0

const overSpace = (source: Source, from: number): number => {
  let i = from
  const { bytes, size } = source
  while (i < size && (bytes[i] ?? 0) <= 32 && isSpace(bytes[i] ?? 0)) i++
  return i
}

/** One token; false at the end of the text or of the value. */
const moveOn = (walk: Walk, step: Step): boolean => {
  const { source } = walk
  const i = overSpace(source, step.i)
  if (i >= source.size || (step.state === AFTER && walk.depth === 0)) return false
  step.i = i
  advance(walk, step, source.bytes[i] ?? 0)
  if (step.state === FAILED) return false
  if (step.state !== AFTER && step.state !== MEMBER) walk.safe = step.i
  if (walk.leafCount + walk.frameCount > FLUSH_AT) forget(walk)
  return true
}
