import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { openSink, type SinkConfig } from '../src/index.ts'
import type { SinkLab } from './sink-contract.ts'

const secret = Buffer.alloc(32, 9)

/** One request as the receiver got it. */
interface Received {
  readonly idempotencyKey: string | undefined
  readonly isSigned: boolean
  readonly status: number
}

export interface WebhookLab extends SinkLab {
  readonly received: readonly Received[]
  /** The receiver keeps the next request waiting for ever. */
  readonly hangNext: () => void
}

function isSigned(header: string, body: string): boolean {
  const [, seconds = '', given = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/u.exec(header) ?? []
  const expected = createHmac('sha256', secret).update(`${seconds}.${body}`).digest()
  return given !== '' && timingSafeEqual(expected, Buffer.from(given, 'hex'))
}

/** A webhook and a local server that takes its requests. */
export async function openReceiver(
  config: Partial<Extract<SinkConfig, { kind: 'webhook' }>> = {},
): Promise<WebhookLab> {
  const received: Received[] = []
  const mood = { failures: 0, isRefusing: false, isHanging: false }
  const statusNow = (): number => {
    if (mood.isRefusing) return 403
    if (mood.failures === 0) return 204
    mood.failures -= 1
    return 503
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const status = statusNow()
      const header = String(request.headers['muniment-signature'])
      const { headers } = request
      const idempotencyKey = headers['idempotency-key']?.toString()
      if (headers['ce-id'] !== idempotencyKey) throw new Error('A CloudEvent has the id of its alert.')
      received.push({ idempotencyKey, isSigned: isSigned(header, Buffer.concat(chunks).toString()), status })
      if (mood.isHanging) mood.isHanging = false
      else response.writeHead(status).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const sink = await openSink({
    kind: 'webhook',
    url: `http://127.0.0.1:${port}/hook?token=made-up`,
    key: createSecretKey(secret),
    firstPauseMs: 1,
    timeoutMs: 2_000,
    now: () => 1_770_000_000_000,
    random: () => 0,
    ...config,
  })
  return {
    sink,
    received,
    taken: () => received.filter(each => each.status === 204).map(each => each.idempotencyKey ?? ''),
    failNext: count => Object.assign(mood, { failures: count }),
    refuse: () => Object.assign(mood, { isRefusing: true }),
    hangNext: () => Object.assign(mood, { isHanging: true }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
