import type * as Https from 'node:https'

/** Who a device is, and how it knows its collector. */
export interface DeviceSettings {
  /** As it was enrolled; the beginning of all its lanes. */
  readonly name: string
  /** What `muniment keys device add` printed; never needed beside a certificate. */
  readonly key?: string | undefined
  /** Authorities of the collector's certificate, PEM, instead of those that Node knows. */
  readonly ca?: string | undefined
  /** The device's own certificate and its private key, PEM. */
  readonly cert?: string | undefined
  readonly certKey?: string | undefined
}

/** A connection to a collector, kept open for the next request. */
export interface Way {
  readonly https: typeof Https
  readonly agent: Https.Agent
}

/** Loaded only where it is used: an observed server need not know of HTTPS. */
export async function openWay({ ca, cert, certKey }: DeviceSettings): Promise<Way> {
  const https = await import('node:https')
  const agent = new https.Agent({
    keepAlive: true,
    // One lane, one order.
    maxSockets: 1,
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(certKey !== undefined && { key: certKey }),
  })
  return { https, agent }
}

/** Where a request of a device goes. */
export function addressOf(url: URL, path: string): Https.RequestOptions {
  return {
    path: `${url.pathname.replace(/\/$/u, '')}${path}`,
    host: url.hostname.replace(/^\[|\]$/gu, ''),
    port: url.port === '' ? 443 : Number(url.port),
  }
}

/** What proves who sends it, where that is no certificate. */
export function credentialsOf({ key }: DeviceSettings): Readonly<Record<string, string>> {
  return key === undefined ? {} : { Authorization: `Bearer ${key}` }
}
