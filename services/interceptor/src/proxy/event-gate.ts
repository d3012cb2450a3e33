import { isUtf8 } from 'node:buffer'
import { createSerial, type Soon } from '../soon.ts'

/** One event of a stream, as its bytes and as what they say. */
export interface StreamEvent {
  readonly raw: Uint8Array
  readonly type: string
  /** `undefined` where it has none: a comment that keeps the connection open. */
  readonly data: string | undefined
  /** Its bytes are text that can be read in one way only. */
  readonly isPlain: boolean
  /** The same event with other data. */
  readonly withData: (data: string) => Uint8Array
}

/** Cuts a stream into events, without holding back more than the open one. */
export interface EventGate {
  /** A promise where something is waited for: nothing more should come until then. */
  readonly push: (chunk: Uint8Array) => Soon<unknown>
  /** What never became an event, for clients drop it too. */
  readonly end: () => Soon<Uint8Array>
}

const [newline, carriageReturn] = [10, 13]

interface State {
  parts: Uint8Array[]
  bytes: number
  lineBytes: number
  endedWithReturn: boolean
}

/** The value of a field, where a line is one of that name. */
function fieldOf(line: string, name: string): string | undefined {
  if (line === name) return ''
  if (!line.startsWith(`${name}:`)) return undefined
  const value = line.slice(name.length + 1)
  return value.startsWith(' ') ? value.slice(1) : value
}

function readEvent(raw: Uint8Array): StreamEvent {
  const text = Buffer.from(raw.buffer, raw.byteOffset, raw.length)
    .toString()
    .replace(/^\uFEFF/u, '')
  const lines = text.split(/\r\n|\r|\n/u).filter(line => line !== '')
  const data = lines.flatMap(line => fieldOf(line, 'data') ?? [])
  const others = lines.filter(line => fieldOf(line, 'data') === undefined)
  const type = others.flatMap(line => fieldOf(line, 'event') ?? []).at(-1) ?? ''
  return {
    raw,
    type: type === '' ? 'message' : type,
    data: data.length === 0 ? undefined : data.join('\n'),
    isPlain: isUtf8(raw),
    withData: other => Buffer.from([...others, `data: ${other}`, '', ''].join('\n')),
  }
}

function keep(state: State, part: Uint8Array): void {
  state.parts.push(part)
  state.bytes += part.length
}

function take(state: State): Uint8Array {
  const raw = Buffer.concat(state.parts)
  state.parts = []
  state.bytes = 0
  state.lineBytes = 0
  return raw
}

/** Whether the byte ends a line that is empty, and with it an event. */
function endsEvent(state: State, byte: number | undefined): boolean {
  const isRestOfEnd = state.endedWithReturn && byte === newline && state.lineBytes === 0
  state.endedWithReturn = byte === carriageReturn
  if (byte !== newline && byte !== carriageReturn) {
    state.lineBytes += 1
    return false
  }
  const isEmpty = state.lineBytes === 0 && !isRestOfEnd
  state.lineBytes = 0
  return isEmpty
}

/**
 * Reads a stream as its clients do: lines end in LF, CR or both, and an empty one ends an event. Throws for an event that is longer
 * than `maxBytes`, which could not be judged.
 */
export function createEventGate(maxBytes: number, onEvent: (event: StreamEvent) => Soon<void>): EventGate {
  const state: State = { parts: [], bytes: 0, lineBytes: 0, endedWithReturn: false }
  const turn = createSerial()
  return {
    push: chunk => {
      let last: Soon<unknown>
      let from = 0
      for (let at = 0; at < chunk.length; at++) {
        if (!endsEvent(state, chunk[at])) continue
        keep(state, chunk.subarray(from, at + 1))
        const event = readEvent(take(state))
        last = turn(() => onEvent(event))
        from = at + 1
      }
      if (from < chunk.length) keep(state, chunk.slice(from))
      if (state.bytes > maxBytes) throw new RangeError('an event is too long')
      return last
    },
    end: () => turn(() => take(state)),
  }
}
