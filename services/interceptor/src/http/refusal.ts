import { rawBody, readMessages } from '../attach/wire.ts'
import { isMembers, member, textMember } from '../json.ts'
import type { Refusal } from '../observe.ts'
import { channelOf, contextOf, type Exchanging, type HttpHead, type HttpReply } from './state.ts'

/** The JSON-RPC errors of an answer, and what to say of a request that none of them is for. */
interface Refused {
  readonly errors: readonly (readonly [message: unknown, bytes: Uint8Array])[]
  readonly refusal: Refusal
}

/** What a door says, not a server: unreadable or invalid envelopes, unknown sessions and versions, headers that contradict the body. */
const doorCodes: ReadonlySet<unknown> = new Set([-32_700, -32_600, -32_000, -32_001, -32_020, -32_022])
const deniedStatuses: ReadonlySet<number> = new Set([401, 403, 407, 429])

function codeOf(message: unknown): unknown {
  return member(member(message, 'error'), 'code')
}

export function readRefusal(state: Exchanging, { status }: HttpReply): Refused {
  const body = state.reader?.body()
  const reading = body === undefined ? { fault: 'none' } : readMessages(body.raw)
  const parts = 'fault' in reading ? [] : reading.parts
  const errors = parts.filter(([message]) => codeOf(message) !== undefined)
  const code = codeOf(errors[0]?.[0])
  return {
    errors,
    refusal: {
      ...(deniedStatuses.has(status) && { outcome: 'denied' }),
      failure: { code: typeof code === 'number' ? code : status, type: `http_${status}` },
      ...(body !== undefined && { response: body }),
      context: contextOf(state),
    },
  }
}

/** Whether a request that names no JSON-RPC message is one for an MCP server: browsers and probes ask for much else. */
export function isRecorded(head: HttpHead, status: number | undefined): boolean {
  if (status === 401 || status === 403) return true
  if (head.method === 'OPTIONS') return false
  if (head.method !== 'GET' && head.method !== 'HEAD') return true
  return head.header('accept')?.includes('text/event-stream') === true
}

function pathOf({ target }: HttpHead): string {
  return target.split('?', 1)[0] ?? target
}

function refuseWhole(state: Exchanging, refusal: Refusal): void {
  const { head, held, keeper, answer, guard } = state
  if (!isRecorded(head, answer?.status)) return
  const method = textMember(held[0]?.message, 'method') ?? head.method
  const what = method === '' ? {} : { method, target: pathOf(head) }
  const request = keeper.body()
  channelOf(state).record('client_to_server', {
    kind: 'rejected',
    policy: guard?.notes,
    ...refusal,
    ...what,
    ...(request.sizeBytes > 0 && { request }),
  })
}

/** Ends what an error answered: each request with its own error where it has one, else with that of the whole. */
export function refuse(state: Exchanging, { errors, refusal }: Refused): void {
  const { requests, claims, tappedBy, isDenied } = state
  const channel = channelOf(state)
  for (const rpcId of requests) {
    const own = errors.find(([message]) => isMembers(message) && message['id'] === rpcId)
    if (own === undefined || doorCodes.has(codeOf(own[0]))) channel.refuse('client_to_server', rpcId, refusal)
    else channel.message({ direction: 'server_to_client', message: own[0], body: rawBody(own[1]) })
  }
  if (requests.length + claims.size === 0 && tappedBy === undefined && !isDenied) refuseWhole(state, refusal)
}
