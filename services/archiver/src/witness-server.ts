import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Logger, Task } from '@muniment/runtime'
import { AppError, isAppError } from '@muniment/schema'
import type { Witness, WitnessAnswer } from './witness.ts'

/** What serves a witness. */
export interface WitnessServerOptions {
  readonly witness: Witness
  readonly log: Logger
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Called when it listens. */
  readonly onReady?: (url: string) => void
}

const maxBodyBytes = 64 * 1024
const maxConnections = 256
const requestTimeoutMs = 10_000

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

type Answer = Omit<WitnessAnswer, 'status'> & { readonly status: number }

function plain(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body }
}

async function answerPost(witness: Witness, request: IncomingMessage): Promise<Answer> {
  const body = await readBody(request)
  return body === undefined ? plain(413, 'too large\n') : await witness.addCheckpoint(body)
}

async function answer({ witness, log }: WitnessServerOptions, request: IncomingMessage): Promise<Answer> {
  const { method, url = '' } = request
  if (url === '/add-checkpoint') {
    if (method !== 'POST') return plain(405, 'only POST\n')
    const given = await answerPost(witness, request)
    log.info('witness.answered', { status: given.status })
    return given
  }
  const originHash = /^\/([0-9a-f]{64})\/checkpoint$/u.exec(url)?.[1]
  const newest = originHash !== undefined && method === 'GET' ? await witness.newest(originHash) : undefined
  return newest === undefined ? plain(404, 'not found\n') : plain(200, newest)
}

async function respond(
  options: WitnessServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const given = await answer(options, request).catch((error: unknown) => {
    if (request.destroyed) return plain(400, 'cut off\n')
    options.log.error('witness.failed', { error: isAppError(error) ? error.message : error })
    return plain(500, 'the witness cannot answer now\n')
  })
  // A body that was not read to its end would be taken for the next request.
  const rest = request.complete ? {} : { connection: 'close' }
  response.writeHead(given.status, { 'content-type': given.type, ...rest }).end(given.body)
}

/** Serves a witness over HTTP until the signal aborts; rejects with `CONFIG_INVALID` where it cannot listen. */
export function createWitnessServer(options: WitnessServerOptions): Task {
  const { host, port, onReady } = options
  return {
    async run(signal) {
      const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
        void respond(options, request, response)
      })
      server.maxConnections = maxConnections
      server.listen(port, host)
      try {
        await once(server, 'listening')
      } catch (cause) {
        throw new AppError('CONFIG_INVALID', `Cannot listen on ${host}:${port}.`, { cause })
      }
      const bound = server.address()
      const actual = typeof bound === 'object' && bound !== null ? bound.port : port
      onReady?.(`http://${host}:${actual}`)
      if (!signal.aborted) await once(signal, 'abort')
      server.close()
      server.closeIdleConnections()
    },
  }
}
