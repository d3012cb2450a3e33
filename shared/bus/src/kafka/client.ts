import { loadLibrary } from './library.ts'
import type { Kafka, KafkaConfig as ClientConfig, logLevel, SASLOptions } from 'kafkajs'
import type { BusDeps, KafkaConfig, SaslConfig, TlsConfig } from '../config.ts'

const connectionTimeoutMs = 5000
/** A stopped broker is noticed after this long; the idempotent producer may then safely repeat itself. */
const requestTimeoutMs = 15_000

/** For connections; the defaults take up to a minute to say that nobody is there. */
const connectRetry = { retries: 4, initialRetryTime: 100, maxRetryTime: 1000 }
/** The same trouble is logged once in this time: brokers that are away cause some every second. */
const repeatAfterMs = 30_000
const maxRemembered = 100
/** A warning about few retries that does not apply: the same request is repeated until its deadline. */
const knownWarning = 'Limiting retries for the idempotent producer'

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

/** A client that connects when it is first used, and the last trouble it reported. */
export interface Client {
  readonly kafka: Kafka
  /** Why the brokers do not answer, where the client has said so since the last call of `forget`. */
  readonly trouble: () => string | undefined
  readonly forget: () => void
}

/** What the client says, the same only now and then. */
function createNotes(log: BusDeps['log']) {
  let trouble: string | undefined
  const loggedMs = new Map<string, number>()

  function isNew(message: string): boolean {
    const nowMs = performance.now()
    if (nowMs - (loggedMs.get(message) ?? Number.NEGATIVE_INFINITY) < repeatAfterMs) return false
    if (loggedMs.size >= maxRemembered) loggedMs.clear()
    loggedMs.set(message, nowMs)
    return true
  }

  return {
    note: (level: string, part: string, message: string): void => {
      if (message.startsWith(knownWarning)) return
      trouble = message
      if (isNew(message)) log?.('bus.kafka.client', { level, part, message })
    },
    trouble: (): string | undefined => trouble,
    forget: (): void => {
      trouble = undefined
    },
  }
}

/** The library is loaded by this call. */
export function createClient(config: KafkaConfig, log: BusDeps['log']): Client {
  const { tls = false, sasl } = config
  const notes = createNotes(log)
  const kafka = new (loadLibrary().Kafka)({
    brokers: [...config.brokers],
    clientId: config.clientId,
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry: connectRetry,
    ssl: typeof tls === 'boolean' ? tls : tlsOptions(tls),
    ...(sasl !== undefined && { sasl: saslOptions(sasl) }),
    logLevel: warnLevel,
    logCreator:
      () =>
      ({ namespace, label, log: { message, error } }) =>
        notes.note(label, namespace, typeof error === 'string' ? `${message}: ${error}` : message),
  })
  return { kafka, trouble: notes.trouble, forget: notes.forget }
}
