import type { AttachOptions } from '../options.ts'

/** Where requests below a path go. */
export interface ProxyRoute {
  /** `/files` serves `/files` and what lies below it; absent = everything, path for path, at the upstream's origin. */
  readonly path?: string
  readonly upstream: URL
  /** Name under which its server appears in events. */
  readonly serverName?: string
  /** RFC 9728 metadata that the proxy answers itself, `resource` excepted, which is its own address; else the upstream's is passed on. */
  readonly resourceMetadata?: Readonly<Record<string, unknown>>
  /** What must be recorded before this upstream sees it, instead of what the `delivery` of the proxy says. */
  readonly delivery?: NonNullable<AttachOptions['delivery']>
}

/** Certificates in PEM form. */
export interface ProxyTls {
  readonly cert: string
  readonly key: string
  /** Authorities of client certificates: with them every client must show one, and is recorded as its principal. */
  readonly clientCa?: string
}

/** How the proxy speaks to upstreams over TLS. */
export interface UpstreamTls {
  /** Authorities instead of those that Node knows. */
  readonly ca?: string
  /** The proxy's own certificate, where upstreams ask for one. */
  readonly cert?: string
  readonly key?: string
}

/** Bounds of one request. */
export interface ProxyLimits {
  /** Most bytes of a request's body (default 32 MiB). */
  readonly maxBodyBytes?: number
  /** Most bytes of a request's or an answer's headers (default 32 KiB). */
  readonly maxHeaderBytes?: number
  /** Until a request's headers are there (default 30 s). */
  readonly headersTimeoutMs?: number
  /** Until the whole request is there (default 5 min). */
  readonly requestTimeoutMs?: number
  /** Until an upstream takes the connection (default 10 s). */
  readonly connectTimeoutMs?: number
  /** Until an upstream begins to answer (default 1 h: tools may think long). */
  readonly answerTimeoutMs?: number
}

/** What stands in front of which servers, and how it is recorded. */
export interface ProxyOptions extends Omit<AttachOptions, 'role' | 'transport'> {
  readonly routes: readonly ProxyRoute[]
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 0, any free one. */
  readonly port?: number
  /** Origin under which clients know the proxy; default what each request says. */
  readonly publicOrigin?: string
  /** Origins whose pages may call; with it the proxy answers for CORS instead of the upstream. */
  readonly allowedOrigins?: readonly string[]
  /** Whether upstreams see the `Host` that clients sent, not their own. */
  readonly keepHost?: boolean
  readonly tls?: ProxyTls
  readonly upstreamTls?: UpstreamTls
  readonly limits?: ProxyLimits
}

export const defaultLimits: Required<ProxyLimits> = {
  maxBodyBytes: 32 * 1024 * 1024,
  maxHeaderBytes: 32 * 1024,
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 300_000,
  connectTimeoutMs: 10_000,
  answerTimeoutMs: 3_600_000,
}
