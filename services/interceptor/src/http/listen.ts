import { once } from 'node:events'
import * as http from 'node:http'
import * as https from 'node:https'
import { AppError } from '@muniment/schema'

/** Throws `CONFIG_INVALID` for certificates that do not fit. */
export function createTlsServer(options: https.ServerOptions): http.Server {
  try {
    return https.createServer({ ...options, minVersion: 'TLSv1.2' })
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', 'The certificate and key to serve TLS with cannot be used.', {
      hint: 'Give a PEM certificate chain and the private key that belongs to it.',
      cause,
    })
  }
}

/** Whether only this machine can reach what listens there. */
export function isLoopbackAddress(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/** Resolves to `host:port` as it stands in a URL when the server listens; rejects with `CONFIG_INVALID` where it cannot. */
export async function listenOn(server: http.Server, host: string, port: number): Promise<string> {
  try {
    await once(server.listen(port, host), 'listening')
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `Nothing can listen on ${host}:${port}.`, {
      hint: 'Choose another address or port; perhaps something listens there already.',
      cause,
    })
  }
  const bound = server.address()
  const actual = typeof bound === 'object' && bound !== null ? bound.port : port
  return `${host.includes(':') ? `[${host}]` : host}:${actual}`
}
