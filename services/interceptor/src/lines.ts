/** What a line tap tells of the bytes that pass. */
export interface LineListener {
  /** One line without its end, in memory of its own. */
  readonly onLine: (line: Uint8Array) => void
  /** The beginning of a line that is longer than what is kept, and how long it was. */
  readonly onLongLine: (beginning: Uint8Array, sizeBytes: number) => void
}

/** Splits a stream of chunks into lines without holding a chunk back. */
export interface LineTap {
  readonly push: (chunk: Uint8Array) => void
  /** The stream ended: what is left is a line. */
  readonly end: () => void
}

const newline = 10
const carriageReturn = 13
const keptOfLongLine = 64 * 1024

interface State extends LineListener {
  readonly maxLineBytes: number
  parts: Uint8Array[]
  /** Bytes of the open line, kept or not. */
  bytes: number
}

function keep(state: State, part: Uint8Array): void {
  if (part.length === 0) return
  const wasLong = state.bytes > state.maxLineBytes
  state.bytes += part.length
  if (wasLong) return
  state.parts.push(part)
  if (state.bytes > state.maxLineBytes)
    state.parts = [Buffer.concat(state.parts).subarray(0, keptOfLongLine)].map(one => Uint8Array.from(one))
}

function finish(state: State): void {
  const { parts, bytes, maxLineBytes } = state
  state.parts = []
  state.bytes = 0
  if (bytes === 0) return
  // Always a copy: a short line must not keep the chunk alive that it came in.
  const joined = Buffer.concat(parts)
  if (bytes > maxLineBytes) return state.onLongLine(joined, bytes)
  const line = joined.at(-1) === carriageReturn ? joined.subarray(0, -1) : joined
  if (line.length > 0) state.onLine(line)
}

function push(state: State, chunk: Uint8Array): void {
  let from = 0
  for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
    keep(state, chunk.subarray(from, at))
    finish(state)
    from = at + 1
  }
  // What waits for its end is copied, so that the stream may reuse its chunk.
  keep(state, chunk.slice(from))
}

export function createLineTap(maxLineBytes: number, listener: LineListener): LineTap {
  const state: State = { ...listener, maxLineBytes, parts: [], bytes: 0 }
  return { push: chunk => push(state, chunk), end: () => finish(state) }
}

const quote = 34
const backslash = 92
const comma = 44
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125]

function endOfString(bytes: Uint8Array, from: number): number {
  let at = from + 1
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1
  return at
}

function depthChange(byte: number | undefined): number {
  if (byte === openBracket || byte === openBrace) return 1
  return byte === closeBracket || byte === closeBrace ? -1 : 0
}

/** The bytes of each element of a valid JSON array, as they stand in it. */
export function splitArray(bytes: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = []
  let depth = 0
  let from = bytes.indexOf(openBracket) + 1
  for (let at = from - 1; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === quote) at = endOfString(bytes, at)
    depth += depthChange(byte)
    if (depth > 1 || (depth === 1 && byte !== comma)) continue
    out.push(bytes.subarray(from, at))
    from = at + 1
    if (depth === 0) break
  }
  return out
}
