import type { ServerResponse } from 'node:http'
import { isMembers } from '../json.ts'
import type { RpcId } from '../pending.ts'

/** The event that carries a message. */
export function eventOf(text: string): string {
  // Breaks between the members of a JSON text are spaces as well; within its strings there are none.
  return `event: message\ndata: ${text.replaceAll(/[\r\n]+/gu, ' ')}\n\n`
}

/** What an answer that names no request is to the one that waits. */
function addressed(body: string, rpcId: RpcId): string {
  try {
    const message: unknown = JSON.parse(body)
    if (isMembers(message) && message['id'] === null) return JSON.stringify({ ...message, id: rpcId })
  } catch {
    // Given on as it is.
  }
  return body
}

/** Ends an answer that has begun as a stream, in which its client was asked something. */
export function endAsked(response: ServerResponse, rpcId: RpcId, body: string): void {
  response.end(eventOf(addressed(body, rpcId)))
}
