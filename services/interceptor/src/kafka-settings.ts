import { readFileSync } from 'node:fs'
import { AppError } from '@muniment/schema'
import type { KafkaConfig } from '@muniment/bus/kafka'

type Variables = Readonly<Record<string, string | undefined>>
type Tls = NonNullable<KafkaConfig['tls']>

type Sasl =
  | Exclude<NonNullable<KafkaConfig['sasl']>, { readonly mechanism: 'oauthbearer' }>
  | { readonly mechanism: 'oauthbearer'; readonly tokenFile: string }

/** How to reach the brokers: plain data, because it crosses to another thread. */
export interface KafkaSettings extends Pick<KafkaConfig, 'brokers' | 'clientId' | 'tls'> {
  /** With `oauthbearer` the current token is read from a file for every connection. */
  readonly sasl?: Sasl
}

const brokerForm = /^(?:\[[0-9a-f:]+\]|[A-Za-z0-9_.-]{1,253}):\d{1,5}$/iu
const prefix = 'MUNIMENT_KAFKA_'

function invalid(name: string, what: string, cause?: unknown): AppError {
  return new AppError('CONFIG_INVALID', `The setting ${name} ${what}`, { cause })
}

/** The file that a setting names. Throws `CONFIG_INVALID` where it cannot be read. */
export function fileOf(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw invalid(name, `names a file that cannot be read: ${path}.`, cause)
  }
}

function needed(variables: Variables, name: string): string {
  const value = variables[`${prefix}${name}`]
  if (value === undefined || value === '') throw invalid(`${prefix}${name}`, 'is missing.')
  return value
}

function fileSetting(variables: Variables, name: string): string | undefined {
  const path = variables[`${prefix}${name}`]
  return path === undefined || path === '' ? undefined : fileOf(`${prefix}${name}`, path)
}

function tlsOf(variables: Variables): Tls | undefined {
  const isOn = variables[`${prefix}TLS`]
  const serverName = variables[`${prefix}SERVERNAME`]
  const [caPem, certPem, keyPem] = ['CA_FILE', 'CERT_FILE', 'KEY_FILE'].map(name =>
    fileSetting(variables, name),
  )
  const tls = {
    ...(caPem !== undefined && { caPem }),
    ...(certPem !== undefined && { certPem }),
    ...(keyPem !== undefined && { keyPem }),
    ...(serverName !== undefined && { serverName }),
  }
  if (Object.keys(tls).length > 0) return tls
  return isOn === 'true' ? true : undefined
}

function saslOf(variables: Variables): Sasl | undefined {
  const mechanism = variables[`${prefix}SASL_MECHANISM`]
  switch (mechanism) {
    case undefined:
    case '':
      return undefined
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512': {
      const password =
        fileSetting(variables, 'SASL_PASSWORD_FILE')?.trimEnd() ?? needed(variables, 'SASL_PASSWORD')
      return { mechanism, username: needed(variables, 'SASL_USERNAME'), password }
    }
    case 'oauthbearer':
      return { mechanism, tokenFile: needed(variables, 'OAUTH_TOKEN_FILE') }
    default:
      throw invalid(
        `${prefix}SASL_MECHANISM`,
        `is ${JSON.stringify(mechanism.slice(0, 40))}, which is not known.`,
      )
  }
}

/** Completes `kafka://host:port,…` from the `MUNIMENT_KAFKA_…` variables. Throws `CONFIG_INVALID`. */
export function kafkaSettings(bus: string, variables: Variables): KafkaSettings {
  const brokers = bus.slice('kafka://'.length).split(',')
  const unfit = brokers.find(broker => !brokerForm.test(broker))
  if (unfit !== undefined)
    throw invalid('MUNIMENT_BUS', `has ${JSON.stringify(unfit.slice(0, 100))}, which is not host:port.`)
  const [tls, sasl] = [tlsOf(variables), saslOf(variables)]
  const clientId = variables[`${prefix}CLIENT_ID`] ?? 'muniment-interceptor'
  return { brokers, clientId, ...(tls !== undefined && { tls }), ...(sasl !== undefined && { sasl }) }
}
