/** What an event stream tells. */
export interface SseListener {
  /** One event, its data in memory of its own. */
  readonly onEvent: (type: string, data: Uint8Array) => void
  /** The beginning of an event that is longer than what is kept, and how long it was. */
  readonly onLongEvent: (beginning: Uint8Array, sizeBytes: number) => void
}

const [newline, carriageReturn, colon, space] = [10, 13, 58, 32]
const keptOfLongEvent = 64 * 1024
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

interface State extends SseListener {
  readonly maxBytes: number
  /** The open line, in pieces. */
  line: Uint8Array[]
  lineBytes: number
  data: Uint8Array[]
  dataBytes: number
  type: string
  isFirstLine: boolean
  /** The last line ended with a carriage return: a newline right after it belongs to the same end. */
  endedWithReturn: boolean
}

function isTooLong(state: State): boolean {
  return state.lineBytes + state.dataBytes > state.maxBytes
}

function keep(state: State, part: Uint8Array): void {
  if (part.length === 0) return
  const wasLong = isTooLong(state)
  state.lineBytes += part.length
  if (wasLong) return
  state.line.push(part)
  if (!isTooLong(state)) return
  // What is dropped must not stay alive behind a view of it.
  const beginning = Buffer.concat([...state.data, ...state.line]).subarray(0, keptOfLongEvent)
  state.data = [Uint8Array.prototype.slice.call(beginning)]
  state.line = []
}

function dispatch(state: State): void {
  const { data, dataBytes, type } = state
  state.data = []
  state.dataBytes = 0
  state.type = ''
  if (data.length === 0) return
  const [only] = data
  if (dataBytes > state.maxBytes) return state.onLongEvent(only ?? new Uint8Array(), dataBytes)
  state.onEvent(type === '' ? 'message' : type, data.length === 1 && only ? only : joined(data))
}

function joined(lines: readonly Uint8Array[]): Uint8Array {
  const separator = Buffer.from('\n')
  return Buffer.concat(lines.flatMap((line, index) => (index === 0 ? [line] : [separator, line])))
}

function field(state: State, line: Buffer): void {
  const at = line.indexOf(colon)
  const name = line.toString('latin1', 0, at === -1 ? Math.min(line.length, 8) : at)
  const from = at === -1 ? line.length : at + (line[at + 1] === space ? 2 : 1)
  if (name === 'event') state.type = line.toString('utf8', from, from + 256)
  if (name !== 'data') return
  state.data.push(line.subarray(from))
  state.dataBytes += line.length - from + (state.data.length > 1 ? 1 : 0)
}

function endLine(state: State): void {
  const { line: parts, lineBytes } = state
  if (lineBytes === 0) return dispatch(state)
  if (isTooLong(state)) {
    state.dataBytes += lineBytes
    state.lineBytes = 0
    return
  }
  state.line = []
  state.lineBytes = 0
  // Always a copy: a short line must not keep the chunk alive that it came in.
  const line = Buffer.concat(parts)
  const hasMark = state.isFirstLine && line.subarray(0, 3).equals(byteOrderMark)
  state.isFirstLine = false
  field(state, hasMark ? line.subarray(3) : line)
}

/** The next end of a line at or after `from`; returns are looked for only once in a chunk that has none. */
function lineEnds(chunk: Uint8Array): (from: number) => number {
  let nextReturn = chunk.indexOf(carriageReturn)
  return from => {
    const feed = chunk.indexOf(newline, from)
    if (nextReturn !== -1 && nextReturn < from) nextReturn = chunk.indexOf(carriageReturn, from)
    return nextReturn !== -1 && (feed === -1 || nextReturn < feed) ? nextReturn : feed
  }
}

function push(state: State, chunk: Uint8Array): void {
  const endAfter = lineEnds(chunk)
  let from = 0
  for (let at = endAfter(0); at !== -1; at = endAfter(from)) {
    const isRestOfEnd = state.endedWithReturn && chunk[at] === newline && at === from && state.lineBytes === 0
    state.endedWithReturn = chunk[at] === carriageReturn
    keep(state, chunk.subarray(from, at))
    if (!isRestOfEnd) endLine(state)
    from = at + 1
  }
  if (from < chunk.length) state.endedWithReturn = false
  keep(state, chunk.subarray(from))
}

/**
 * Reads an event stream as its clients do: lines end in LF, CR or both, and an event that no empty line closes is none.
 * Returns what takes the next chunk.
 */
export function createSseTap(maxBytes: number, listener: SseListener): (chunk: Uint8Array) => void {
  const state: State = {
    ...listener,
    maxBytes,
    line: [],
    lineBytes: 0,
    data: [],
    dataBytes: 0,
    type: '',
    isFirstLine: true,
    endedWithReturn: false,
  }
  return chunk => push(state, chunk)
}
