import type { IncomingMessage } from 'node:http'
import { enclose } from '../attach/hooks.ts'

/** A body that the server's code does not get before it is released. */
export interface HeldBody {
  /** The whole body; `undefined` where a part of it was taken already, it is longer, or its client has left. */
  readonly read: (maxBytes: number) => Promise<Uint8Array | undefined>
  /** Lets it go on as it came. */
  readonly release: () => void
}

interface State {
  readonly parts: Uint8Array[]
  bytes: number
  isWhole: boolean
  isReleased: boolean
  changed: () => void
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** What lies in the stream already is looked at and put back, in one turn, before anybody can hear of its end. */
function putBack(request: IncomingMessage): Uint8Array | undefined {
  const chunk: unknown = request.readableLength > 0 ? request.read() : undefined
  if (!(chunk instanceof Uint8Array)) return undefined
  request.unshift(chunk)
  return chunk
}

/** What came before it was held: nothing, what lies in the stream, or what a parser made of it. */
function before(request: IncomingMessage): Uint8Array | undefined {
  const parsed: unknown = Reflect.get(request, 'body')
  if (request.complete && parsed !== undefined) return Buffer.from(JSON.stringify(parsed))
  return putBack(request)
}

function wasRead(request: IncomingMessage): boolean {
  const isParsed = request.complete && Reflect.get(request, 'body') !== undefined
  return !isParsed && (request.readableDidRead || request.readableFlowing === true)
}

/** Resolves when everything is there, more than is wanted, or nothing more can come. */
function gathered(request: IncomingMessage, state: State, maxBytes: number): Promise<void> {
  return new Promise(resolve => {
    state.changed = () => {
      if (state.isWhole || state.bytes > maxBytes || request.destroyed) resolve()
    }
    request.once('close', resolve)
    request.once('error', () => resolve())
    state.changed()
  })
}

async function read(
  request: IncomingMessage,
  state: State,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  await gathered(request, state, maxBytes)
  return state.isWhole && state.bytes <= maxBytes ? Buffer.concat(state.parts) : undefined
}

/** Holds back what the parser pushes into the stream of a request; what is in it already stays, for the code that reads it waits too. */
export function holdBody(request: IncomingMessage): HeldBody {
  const isLost = wasRead(request)
  const early = isLost ? undefined : before(request)
  const parts = early === undefined ? [] : [early]
  const state: State = {
    parts,
    bytes: early?.length ?? 0,
    isWhole: request.complete,
    isReleased: false,
    changed: () => undefined,
  }
  const held: (() => unknown)[] = []
  enclose(request, 'push', (push, args) => {
    if (state.isReleased) return push(...args)
    held.push(() => push(...args))
    const [chunk] = args
    if (chunk instanceof Uint8Array) {
      parts.push(chunk)
      state.bytes += chunk.length
    }
    state.isWhole = chunk === null
    state.changed()
    return true
  })
  return {
    read: async maxBytes => (isLost ? undefined : await read(request, state, maxBytes)),
    release: () => {
      state.isReleased = true
      for (const push of held) push()
    },
  }
}
