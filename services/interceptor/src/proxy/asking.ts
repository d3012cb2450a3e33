import type { Members } from '../json.ts'
import type { RpcId } from '../pending.ts'
import { eventOf } from './events.ts'
import { corsOf, headerOf, type Flow } from './flow.ts'

/**
 * Whether the client can be asked in the answer to this request. Only in a session can what it says come by another request, and what
 * waits must have its body to itself.
 */
export function mayAsk(flow: Flow, body: Uint8Array | undefined): boolean {
  const header = headerOf(flow)
  const isOne = body !== undefined && Buffer.from(body.subarray(0, 64)).toString().trimStart().startsWith('{')
  return (
    isOne && header('mcp-session-id') !== undefined && /text\/event-stream/iu.test(header('accept') ?? '')
  )
}

/** Asks the client in the answer to the request that waits; what comes after that can only be events, too. */
export function askClient(flow: Flow, message: Members, rpcId: RpcId): void {
  const { response, visit } = flow
  if (response.destroyed) return
  if (!response.headersSent)
    response.writeHead(200, [
      'Content-Type',
      'text/event-stream',
      'Cache-Control',
      'no-cache',
      ...corsOf(flow),
      ...visit.fields,
    ])
  visit.asked = { rpcId }
  response.write(eventOf(JSON.stringify(message)))
}
