import * as http from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { createTlsServer } from '../http/listen.ts'
import type { Principal } from '../record.ts'
import type { ProxyLimits, ProxyTls } from './options.ts'

/** How exact the time limits are. */
const checkEveryMs = 5000

/** A name of a certificate, which may have several. */
function first(name: string | string[] | undefined): string | undefined {
  return typeof name === 'string' ? name : name?.[0]
}

/** Who a client's certificate says it is; only one that an accepted authority signed gets this far. */
export function principalOf(socket: Socket): Principal | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject, subjectaltname, issuer } = socket.getPeerCertificate()
  const named = /(?:URI|DNS|email):([^,\s]+)/u.exec(subjectaltname ?? '')?.[1]
  const id = named ?? first(subject.CN)
  if (id === undefined) return undefined
  const signer = first(issuer.CN)
  return { id, method: 'mtls', ...(signer !== undefined && { issuer: signer }) }
}

/** The server on which clients call, with Node's strict parser. Throws `CONFIG_INVALID` for certificates that do not fit. */
export function createServer(tls: ProxyTls | undefined, limits: Required<ProxyLimits>): http.Server {
  const bounds = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, checkEveryMs),
    insecureHTTPParser: false,
    requireHostHeader: true,
  }
  if (tls === undefined) return http.createServer(bounds)
  const { cert, key, clientCa } = tls
  const mutual = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }
  return createTlsServer({ ...bounds, cert, key, ...mutual })
}
