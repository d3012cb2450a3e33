import { createRequire } from 'node:module'
import { compressionTypes, zstdCodec } from './compression.ts'
import type { Kafka, KafkaConfig as ClientConfig, logLevel, SASLOptions } from 'kafkajs'
import type { BusDeps, KafkaConfig, SaslConfig, TlsConfig } from '../config.ts'

const connectionTimeoutMs = 5000
/** A stopped broker is noticed after this long; the idempotent producer may then safely repeat itself. */
const requestTimeoutMs = 15_000

interface RequestQueue {
  readonly prototype: { scheduleCheckPendingRequests: (this: PendingRequests) => void }
}

interface PendingRequests {
  readonly pending: readonly unknown[]
}

type Library = typeof import('kafkajs')

const require = createRequire(import.meta.url)
let library: Library | undefined

/**
 * kafkajs 2.2.4 re-arms a 1 ms timer for ever on every idle connection, 4 % of a core each, because it computes a
 * negative delay; and it has no zstd.
 */
function load(): Library {
  if (library !== undefined) return library
  const loaded: Library = require('kafkajs')
  const queue: RequestQueue = require('kafkajs/src/network/requestQueue')
  const original = queue.prototype.scheduleCheckPendingRequests
  queue.prototype.scheduleCheckPendingRequests = function check(): void {
    if (this.pending.length > 0) original.call(this)
  }
  const codec = zstdCodec()
  if (codec !== undefined) loaded.CompressionCodecs[compressionTypes.zstd] = () => codec
  library = loaded
  return loaded
}

function saslOptions(sasl: SaslConfig): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') return sasl
  return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await sasl.token() }) }
}

function tlsOptions(tls: TlsConfig): Exclude<ClientConfig['ssl'], boolean | undefined> {
  return {
    minVersion: 'TLSv1.2',
    ...(tls.caPem !== undefined && { ca: [tls.caPem] }),
    ...(tls.certPem !== undefined && { cert: tls.certPem }),
    ...(tls.keyPem !== undefined && { key: tls.keyPem }),
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
  }
}

const warnLevel: logLevel.WARN = 2

/** A client that connects when it is first used. The library is loaded by this call. */
export function createClient(config: KafkaConfig, log: BusDeps['log']): Kafka {
  const { tls = false, sasl } = config
  return new (load().Kafka)({
    brokers: [...config.brokers],
    clientId: config.clientId,
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    ssl: typeof tls === 'boolean' ? tls : tlsOptions(tls),
    ...(sasl !== undefined && { sasl: saslOptions(sasl) }),
    logLevel: warnLevel,
    logCreator:
      () =>
      ({ namespace, label, log: { message } }) =>
        log?.('bus.kafka.client', { level: label, part: namespace, message }),
  })
}
