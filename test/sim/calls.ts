// What clients and servers say to each other. Every value that is personal is made up, and looked for afterwards.
import type { Channel } from '@muniment/interceptor/core'
import type { Random } from './random.ts'

/** What must not be found in anything that was masked. */
export const personal = ['@example.com', '4111 1111 1111 1111', '078-05-1120'] as const

interface Message {
  readonly json: unknown
  readonly sizeBytes: number
}

function messageOf(json: unknown): Message {
  return { json, sizeBytes: Buffer.byteLength(JSON.stringify(json)) }
}

const letters = 'abcdefghij'

/** A number as letters, so that nobody takes it for personal data. */
function wordOf(id: number): string {
  return String(id).replaceAll(/\d/gu, digit => letters[Number(digit)] ?? '')
}

/** One call, and whether it must raise an alert. */
export interface Call {
  readonly id: number
  readonly isAttack: boolean
  readonly request: Message
  readonly response: Message
}

function argumentsOf(id: number, isAttack: boolean): Readonly<Record<string, unknown>> {
  if (isAttack) return { path: '/srv/files/../../../../etc/passwd' }
  return { who: `user.${wordOf(id)}@example.com`, note: 'card 4111 1111 1111 1111, SSN 078-05-1120' }
}

export function makeCall(id: number, random: Random): Call {
  const isAttack = random.chance(0.15)
  const name = isAttack ? `open_${wordOf(id)}` : 'lookup'
  const params = { name, arguments: argumentsOf(id, isAttack) }
  const request = messageOf({ jsonrpc: '2.0', id, method: 'tools/call', params })
  const text = `found someone.${wordOf(id)}@example.com`
  const result = { content: [{ type: 'text', text }] }
  const error = { code: -32_000, message: `no record of other.${wordOf(id)}@example.com` }
  const response = messageOf({ jsonrpc: '2.0', id, ...(random.chance(0.1) ? { error } : { result }) })
  return { id, isAttack, request, response }
}

export function ask(channel: Channel, { request }: Call): void {
  channel.message({ direction: 'client_to_server', message: request.json, body: request })
}

export function answer(channel: Channel, { response }: Call): void {
  channel.message({ direction: 'server_to_client', message: response.json, body: response })
}

export function cancel(channel: Channel, { id }: Call): void {
  const message = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }
  channel.message({ direction: 'client_to_server', message, body: messageOf(message) })
}
