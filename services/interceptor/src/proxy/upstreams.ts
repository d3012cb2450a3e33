import * as http from 'node:http'
import * as https from 'node:https'
import { connect } from 'node:net'
import type { UpstreamTls } from './options.ts'

/** Connections to the servers behind the proxy. */
export interface Upstreams {
  readonly request: (upstream: URL, options: http.RequestOptions) => http.ClientRequest
  readonly close: () => void
}

/** Shorter than the time for which servers commonly keep an idle connection, so that none closes one that is being used. */
const idleMs = 4000

/** Opens the pools; the strict parser of Node reads what upstreams answer. */
export function openUpstreams(tls: UpstreamTls, maxHeaderSize: number): Upstreams {
  const pool = { keepAlive: true, maxFreeSockets: 256, timeout: idleMs }
  const plain = new http.Agent(pool)
  const secure = new https.Agent({ ...pool, ...tls })
  return {
    request: ({ protocol, hostname, port }, options) => {
      const to = { ...options, port, hostname: hostname.replace(/^\[|\]$/gu, ''), maxHeaderSize }
      return protocol === 'https:'
        ? https.request({ ...to, agent: secure })
        : http.request({ ...to, agent: plain })
    },
    close: () => {
      plain.destroy()
      secure.destroy()
    },
  }
}

/** Whether something takes connections at this address. */
export function isReachable({ hostname, port, protocol }: URL, timeoutMs: number): Promise<boolean> {
  const standard = protocol === 'https:' ? 443 : 80
  const socket = connect({ host: hostname.replace(/^\[|\]$/gu, ''), port: Number(port) || standard })
  return new Promise(resolve => {
    const end = (isUp: boolean) => (): void => {
      socket.destroy()
      resolve(isUp)
    }
    socket.setTimeout(timeoutMs, end(false))
    socket.on('connect', end(true))
    socket.on('error', end(false))
  })
}
