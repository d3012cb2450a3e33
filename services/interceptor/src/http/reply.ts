import { maxBodyBytes } from '../describe.ts'
import { rawBody, readMessages } from '../attach/wire.ts'
import { changeOf } from '../guard/change.ts'
import { isMembers, member } from '../json.ts'
import type { Arrival } from '../observe.ts'
import { isRpcId } from '../pending.ts'
import { createDecoder, createKeeper } from './content.ts'
import { createSseTap } from './sse.ts'
import { channelOf, type Exchanging, type HttpReply, type ReplyReader } from './state.ts'

/** Whether only the answers to what this exchange itself holds are its business. */
function isElsewhere({ tappedBy, session }: Exchanging): boolean {
  return tappedBy !== undefined || session?.isTapped === true
}

function takeTold({ answersTold }: Exchanging, message: unknown): Pick<Arrival, 'policy' | 'change'> {
  const rpcId = answersTold.size === 0 ? undefined : member(message, 'id')
  if (!isRpcId(rpcId) || member(message, 'method') !== undefined) return {}
  const handling = answersTold.get(rpcId)
  answersTold.delete(rpcId)
  return { policy: handling?.notes, change: changeOf(handling) }
}

function feed(state: Exchanging, message: unknown, bytes: Uint8Array): void {
  const channel = channelOf(state)
  if (isElsewhere(state)) {
    const rpcId = isMembers(message) && message['method'] === undefined ? message['id'] : undefined
    if (!isRpcId(rpcId) || !channel.isOpen('client_to_server', rpcId)) return
  }
  channel.message({
    direction: 'server_to_client',
    message,
    body: rawBody(bytes),
    ...takeTold(state, message),
  })
}

/** Records the messages of a text that came from the server; a text without any is none of ours. */
function feedText(state: Exchanging, text: Uint8Array): void {
  const reading = readMessages(text)
  if ('fault' in reading) return
  for (const [message, bytes] of reading.parts)
    if (member(message, 'jsonrpc') === '2.0') feed(state, message, bytes)
}

/** An HTTP+SSE stream names the address to which its client posts: what comes there belongs to it. */
function openStream(state: Exchanging, data: Uint8Array): void {
  const address = Buffer.from(data).toString()
  if (state.head.method !== 'GET' || !URL.canParse(address, 'http://host/')) return
  const { pathname, search } = new URL(address, `http://host${state.head.target}`)
  const channel = state.open('sse', state.tappedBy)
  state.session = { channel, isTapped: state.tappedBy !== undefined }
  state.channel = channel
  state.sessions.keep(`${pathname}${search}`, state.session)
}

function streamReader(state: Exchanging): Pick<ReplyReader, 'push'> {
  const push = createSseTap(maxBodyBytes, {
    onEvent: (type, data) => {
      if (type === 'endpoint') openStream(state, data)
      else if (type === 'message') feedText(state, data)
    },
    onLongEvent: (raw, sizeBytes) =>
      channelOf(state).reject('server_to_client', 'too_large', { raw, sizeBytes }),
  })
  return { push }
}

const nothing = { raw: new Uint8Array(), sizeBytes: 0 }

/** Makes the reader that the answer's type asks for. */
export function createReplyReader(state: Exchanging, answer: HttpReply): ReplyReader {
  const type = answer.header('content-type')?.toLowerCase() ?? ''
  const encoding = answer.header('content-encoding')
  const isRefusal = answer.status >= 400
  if (type.startsWith('text/event-stream') && !isRefusal) {
    const decoder = createDecoder(encoding, streamReader(state).push)
    return { ...decoder, isStream: true, body: () => nothing, release: () => undefined }
  }
  const keeper = createKeeper(state.budget)
  const isText = isRefusal || type.includes('json')
  const decoder = createDecoder(encoding, isText ? keeper.push : () => undefined)
  return {
    push: decoder.push,
    end: done =>
      decoder.end(() => {
        if (!isRefusal && keeper.isWhole()) feedText(state, keeper.body().raw)
        done()
      }),
    isStream: false,
    body: keeper.body,
    release: keeper.release,
  }
}
