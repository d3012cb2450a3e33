import { isUtf8 } from 'node:buffer'
import type { Writable } from 'node:stream'
import { maxBodyBytes } from '../describe.ts'
import { isAmbiguous } from '../guard/ambiguous.ts'
import { changeOf } from '../guard/change.ts'
import type { Refusal } from '../guard/guard.ts'
import type { Handling, Judge } from '../guard/judge.ts'
import { refusalMessage, type RefusalMessage } from '../guard/refusal.ts'
import { isMembers, type Members } from '../json.ts'
import { splitArray } from '../lines.ts'
import type { Channel } from '../observe.ts'
import { problemOf, type OnProblem } from '../problem.ts'
import type { Direction } from '../record.ts'
import { createSerial, andThen, type Serial, type Soon } from '../soon.ts'
import { keepText, textOf } from '../wire-text.ts'
import { maxBatchMessages, rawBody } from './wire.ts'

/** Lets the lines of one side pass that a guard has nothing against, as the bytes that they are; what it changed is written anew. */
export interface LineGate {
  /** A promise where something is waited for: nothing more should come until then. */
  readonly push: (chunk: Uint8Array) => Soon<unknown>
  /** The same for a last line without an end. */
  readonly end: () => Soon<unknown>
}

export interface GateOptions {
  readonly channel: Channel
  readonly judge: Judge
  readonly direction: Direction
  /** What may go on. */
  readonly pass: (bytes: Uint8Array) => void
  /** What the sender of a refused message is told. */
  readonly answer: (message: RefusalMessage | Members) => void
  readonly onProblem: OnProblem
  /** When the line came that is judged. */
  readonly arrivedMs?: number
}

const newline = 10
const carriageReturn = 13
const unreadable: Refusal = { code: 'INVALID_INPUT', hint: 'Send one JSON-RPC message a line.' }

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** What cannot be judged is not passed on: another parser might read a call in it. */
function turnAway({ channel, direction, answer }: GateOptions, line: Uint8Array, type: string): undefined {
  channel.reject(direction, type, rawBody(line))
  if (direction === 'client_to_server') answer(refusalMessage(null, unreadable))
  return undefined
}

interface Seen {
  readonly message: unknown
  readonly bytes: Uint8Array
}

function record(options: GateOptions, { message, bytes }: Seen, handling: Handling | undefined): void {
  const { channel, direction, onProblem } = options
  try {
    const arrival = { direction, message, body: rawBody(bytes) }
    if (handling?.refusal === undefined)
      channel.message({ ...arrival, policy: handling?.notes, change: changeOf(handling) })
    else channel.deny(arrival, handling)
  } catch (error) {
    onProblem(problemOf(error, 'A message could not be observed'))
  }
}

function written(message: Members): Uint8Array {
  return Buffer.from(textOf(message))
}

/** Records what was decided; what it returns goes on. */
function settle(
  options: GateOptions,
  seen: Seen & { readonly message: Members; readonly whole: Uint8Array | undefined },
  handling: Handling | undefined,
): Uint8Array | undefined {
  record(options, seen, handling)
  if (handling?.answer !== undefined) options.answer(handling.answer)
  if (handling?.refusal !== undefined) return undefined
  // What a server says in two ways goes on in the one in which it was judged.
  return handling?.message === undefined ? (seen.whole ?? written(seen.message)) : written(handling.message)
}

/** Judges one message; what it returns goes on, the bytes themselves where nothing was changed. */
function judgeMessage(options: GateOptions, seen: Seen): Soon<Uint8Array | undefined> {
  const { judge, direction, arrivedMs } = options
  const { message, bytes } = seen
  if (!isMembers(message)) return turnAway(options, bytes, 'invalid_request')
  const text = asText(bytes)
  const isDouble = isAmbiguous(text)
  if (isDouble && direction === 'client_to_server') return turnAway(options, bytes, 'ambiguous')
  // Of what is said in two ways only the one that was judged counts.
  if (!isDouble) keepText(message, text)
  const asked =
    direction === 'client_to_server' ? judge.inward(message, { arrivedMs }) : judge.outward(message, {})
  const whole = isDouble ? undefined : bytes
  const go = (handling: Handling | undefined): Uint8Array | undefined => {
    if (handling?.later !== undefined) return pose(options, handling, go)
    return handling?.isOurs === true ? undefined : settle(options, { message, bytes, whole }, handling)
  }
  return andThen(asked, go)
}

/** Asks the client; the request goes on in a line of its own once that is answered, and others meanwhile. */
function pose(
  { answer, pass, onProblem }: GateOptions,
  { asks, later }: Handling,
  go: (then: Handling | undefined) => Uint8Array | undefined,
): undefined {
  if (asks !== undefined) answer(asks)
  const goOn = async (): Promise<void> => {
    const passed = go(await later)
    if (passed !== undefined) pass(Buffer.concat([passed, Buffer.from('\n')]))
  }
  goOn().catch((error: unknown) => onProblem(problemOf(error, 'A message could not be delivered')))
}

function joinedArray(parts: readonly Uint8Array[]): Uint8Array | undefined {
  if (parts.length === 0) return undefined
  const joined = parts.flatMap((part, index) => (index === 0 ? [part] : [Buffer.from(','), part]))
  return Buffer.concat([Buffer.from('['), ...joined, Buffer.from(']')])
}

/** Of several messages in one line those pass that may. */
function judgeArray(
  options: GateOptions,
  messages: readonly unknown[],
  line: Uint8Array,
): Soon<Uint8Array | undefined> {
  const parts = splitArray(line)
  const step = (index: number, passed: readonly Uint8Array[]): Soon<readonly Uint8Array[]> => {
    const bytes = parts[index]
    if (bytes === undefined) return passed
    const judged = judgeMessage(options, { message: messages[index], bytes })
    return andThen(judged, part => step(index + 1, part === undefined ? passed : [...passed, part]))
  }
  return andThen(step(0, []), passed => {
    const isWhole = passed.length === parts.length && passed.every((part, index) => part === parts[index])
    return isWhole ? line : joinedArray(passed)
  })
}

/** A line without what ends it. */
function contentOf(line: Uint8Array): Uint8Array {
  const end = line.at(-1) === newline ? line.length - 1 : line.length
  return line.subarray(0, line[end - 1] === carriageReturn ? end - 1 : end)
}

function judgeContent(options: GateOptions, line: Uint8Array): Soon<Uint8Array | undefined> {
  if (!isUtf8(line)) return turnAway(options, line, 'invalid_utf8')
  const text = asText(line)
  if (text.trim() === '') return line
  const parsed = parse(text)
  if (parsed === undefined) return turnAway(options, line, 'invalid_json')
  const { value } = parsed
  if (!Array.isArray(value)) return judgeMessage(options, { message: value, bytes: line })
  if (value.length === 0 || value.length > maxBatchMessages) return turnAway(options, line, 'invalid_request')
  return judgeArray(options, value, line)
}

function judgeLine(options: GateOptions, whole: Uint8Array): Soon<undefined> {
  const line = contentOf(whole)
  return andThen(judgeContent(options, line), passed => {
    if (passed === line) options.pass(whole)
    else if (passed !== undefined) options.pass(Buffer.concat([passed, Buffer.from('\n')]))
    return undefined
  })
}

interface State extends GateOptions {
  readonly turn: Serial
  parts: Uint8Array[]
  bytes: number
}

function keep(state: State, part: Uint8Array): void {
  state.bytes += part.length
  if (state.bytes <= maxBodyBytes) state.parts.push(part)
}

function finish(state: State): Soon<undefined> {
  const { parts, bytes, turn } = state
  state.parts = []
  state.bytes = 0
  if (bytes === 0) return turn(() => undefined)
  const line = Buffer.concat(parts)
  const arrivedMs = performance.now()
  return turn(() =>
    bytes <= maxBodyBytes
      ? judgeLine({ ...state, arrivedMs }, line)
      : turnAway(state, line.subarray(0, maxKeptBytes), 'too_large'),
  )
}

const maxKeptBytes = 64 * 1024

/** A gate for one direction of a connection with one message a line. */
export function createLineGate(options: GateOptions): LineGate {
  const state: State = { ...options, turn: createSerial(), parts: [], bytes: 0 }
  return {
    push: chunk => {
      let last: Soon<undefined>
      let from = 0
      for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
        keep(state, chunk.subarray(from, at + 1))
        last = finish(state)
        from = at + 1
      }
      // What waits for its end is copied, so that the stream may reuse its chunk.
      if (from < chunk.length) keep(state, chunk.slice(from))
      return last
    },
    end: () => finish(state),
  }
}

/** Writes lines of our own between those of the server, never into one. */
export interface Outlet {
  /** To be told of every chunk of the server that was written. */
  readonly wrote: (chunk: Uint8Array) => void
  readonly answer: (message: RefusalMessage | Members) => void
  /** Nothing more comes from the server. */
  readonly end: () => void
}

export function createOutlet(to: Writable): Outlet {
  const waiting: string[] = []
  let isBetweenLines = true
  const flush = (): void => {
    if (isBetweenLines) for (const line of waiting.splice(0)) to.write(line)
  }
  return {
    wrote: chunk => {
      if (chunk.length > 0) isBetweenLines = chunk.at(-1) === newline
      flush()
    },
    answer: message => {
      waiting.push(`${JSON.stringify(message)}\n`)
      flush()
    },
    end: () => {
      if (!isBetweenLines && waiting.length > 0) to.write('\n')
      isBetweenLines = true
      flush()
    },
  }
}
