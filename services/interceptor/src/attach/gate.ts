import { isUtf8 } from 'node:buffer'
import type { Writable } from 'node:stream'
import { maxBodyBytes } from '../describe.ts'
import { isAmbiguous } from '../guard/ambiguous.ts'
import type { Refusal } from '../guard/guard.ts'
import { failClosed, refusalMessage, type RefusalMessage, type Refused } from '../guard/refusal.ts'
import { isMembers } from '../json.ts'
import { splitArray } from '../lines.ts'
import type { Channel } from '../observe.ts'
import { problemOf, type OnProblem } from '../problem.ts'
import { maxBatchMessages, rawBody } from './wire.ts'

/** Lets the lines of a client pass that no decision forbids, as the bytes that they are; answers the others. */
export interface LineGate {
  /** What may go on to the server. */
  readonly push: (chunk: Uint8Array) => readonly Uint8Array[]
  /** The same for a last line without an end. */
  readonly end: () => readonly Uint8Array[]
}

export interface GateOptions {
  readonly channel: Channel
  readonly answer: (message: RefusalMessage) => void
  readonly onProblem: OnProblem
}

const newline = 10
const carriageReturn = 13
const nothing: readonly Uint8Array[] = []
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
function turnAway({ channel, answer }: GateOptions, line: Uint8Array, type: string): false {
  channel.reject('client_to_server', type, rawBody(line))
  answer(refusalMessage(null, unreadable))
  return false
}

function see({ channel, onProblem }: GateOptions, message: unknown, bytes: Uint8Array): Refused | undefined {
  try {
    return channel.message({ direction: 'client_to_server', message, body: rawBody(bytes) })
  } catch (error) {
    onProblem(problemOf(error, 'A message could not be judged'))
    return failClosed(message)
  }
}

function isAllowed(options: GateOptions, message: unknown, bytes: Uint8Array): boolean {
  if (!isMembers(message)) return turnAway(options, bytes, 'invalid_request')
  if (isAmbiguous(asText(bytes))) return turnAway(options, bytes, 'ambiguous')
  const refused = see(options, message, bytes)
  if (refused?.answer !== undefined) options.answer(refused.answer)
  return refused === undefined
}

/** Of several messages in one line those pass that may. */
function judgeArray(
  options: GateOptions,
  messages: readonly unknown[],
  whole: Uint8Array,
): readonly Uint8Array[] {
  const parts = splitArray(contentOf(whole))
  const allowed = parts.filter((part, index) => isAllowed(options, messages[index], part))
  if (allowed.length === parts.length) return [whole]
  if (allowed.length === 0) return nothing
  const joined = allowed.flatMap((part, index) => (index === 0 ? [part] : [Buffer.from(','), part]))
  return [Buffer.concat([Buffer.from('['), ...joined, Buffer.from(']\n')])]
}

/** A line without what ends it. */
function contentOf(line: Uint8Array): Uint8Array {
  const end = line.at(-1) === newline ? line.length - 1 : line.length
  return line.subarray(0, line[end - 1] === carriageReturn ? end - 1 : end)
}

function judgeLine(options: GateOptions, whole: Uint8Array): readonly Uint8Array[] {
  const line = contentOf(whole)
  const refuse = (type: string): readonly Uint8Array[] => {
    turnAway(options, line, type)
    return nothing
  }
  if (!isUtf8(line)) return refuse('invalid_utf8')
  const text = asText(line)
  if (text.trim() === '') return [whole]
  const parsed = parse(text)
  if (parsed === undefined) return refuse('invalid_json')
  const { value } = parsed
  if (!Array.isArray(value)) return isAllowed(options, value, line) ? [whole] : nothing
  if (value.length === 0 || value.length > maxBatchMessages) return refuse('invalid_request')
  return judgeArray(options, value, whole)
}

interface State extends GateOptions {
  parts: Uint8Array[]
  bytes: number
}

function keep(state: State, part: Uint8Array): void {
  state.bytes += part.length
  if (state.bytes <= maxBodyBytes) state.parts.push(part)
}

function finish(state: State): readonly Uint8Array[] {
  const { parts, bytes } = state
  state.parts = []
  state.bytes = 0
  if (bytes === 0) return nothing
  const line = Buffer.concat(parts)
  if (bytes <= maxBodyBytes) return judgeLine(state, line)
  turnAway(state, line.subarray(0, maxKeptBytes), 'too_large')
  return nothing
}

const maxKeptBytes = 64 * 1024

/** A gate before a server that reads one message a line. */
export function createLineGate(options: GateOptions): LineGate {
  const state: State = { ...options, parts: [], bytes: 0 }
  return {
    push: chunk => {
      const passed: Uint8Array[] = []
      let from = 0
      for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
        keep(state, chunk.subarray(from, at + 1))
        passed.push(...finish(state))
        from = at + 1
      }
      // What waits for its end is copied, so that the stream may reuse its chunk.
      if (from < chunk.length) keep(state, chunk.slice(from))
      return passed
    },
    end: () => finish(state),
  }
}

/** Writes lines of our own between those of the server, never into one. */
export interface Outlet {
  /** To be told of every chunk of the server that was written. */
  readonly wrote: (chunk: Uint8Array) => void
  readonly answer: (message: RefusalMessage) => void
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
