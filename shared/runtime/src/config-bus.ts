import { join } from 'node:path'
import { invalid } from './invalid.ts'
import { secretOf, type Read } from './read-settings.ts'
import type { SettingName } from './settings.ts'

/** TLS to brokers. */
export interface KafkaTls {
  readonly caPem?: string
  readonly certPem?: string
  readonly keyPem?: string
  readonly serverName?: string
}

/** How to prove to brokers who one is. */
export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'oauthbearer'; readonly token: () => Promise<string> }

/** Who this machine is to a collector; certificates in PEM form. */
interface Device {
  readonly name: string
  readonly key?: string
  readonly ca?: string
  readonly cert?: string
  readonly certKey?: string
}

/** Where topics are; `collector` can only be published to. */
export type BusConfig =
  | { readonly kind: 'embedded'; readonly dir: string; readonly topicPrefix: string }
  | {
      readonly kind: 'kafka'
      readonly brokers: readonly string[]
      readonly clientId: string
      readonly topicPrefix: string
      readonly tls?: boolean | KafkaTls
      readonly sasl?: KafkaSasl
    }
  | { readonly kind: 'collector'; readonly url: string; readonly device: Device }

const broker = /^(?:\[[0-9a-f:]+\]|[A-Za-z0-9_.-]{1,253}):\d{1,5}$/iu
const tlsNames = ['kafka.ca_file', 'kafka.cert_file', 'kafka.key_file', 'kafka.server_name'] as const
const saslNames = [
  'kafka.sasl_username',
  'kafka.sasl_password',
  'kafka.sasl_password_file',
  'kafka.oauth_token_file',
] as const
const kafkaNames: readonly SettingName[] = [
  'kafka.client_id',
  'kafka.tls',
  'kafka.sasl_mechanism',
  ...tlsNames,
  ...saslNames,
]

function refuse(read: Read, names: readonly SettingName[], problem: string): void {
  const name = names.find(each => read.isSet(each))
  if (name !== undefined) throw invalid(read.as(name), problem)
}

function tlsOf(read: Read): boolean | KafkaTls | undefined {
  const isOn = read.value('kafka.tls')
  if (isOn === false) refuse(read, tlsNames, `is set, though ${read.as('kafka.tls')} is false.`)
  const [ca, cert, key] = [
    read.value('kafka.ca_file'),
    read.value('kafka.cert_file'),
    read.value('kafka.key_file'),
  ]
  if ((cert === undefined) !== (key === undefined))
    throw invalid(
      read.as(cert === undefined ? 'kafka.cert_file' : 'kafka.key_file'),
      'is missing: certificate and key belong together.',
    )
  if (!tlsNames.some(name => read.isSet(name))) return isOn
  const serverName = read.value('kafka.server_name')
  return {
    ...(ca !== undefined && { caPem: read.file('kafka.ca_file', ca) }),
    ...(cert !== undefined && { certPem: read.file('kafka.cert_file', cert) }),
    ...(key !== undefined && { keyPem: read.file('kafka.key_file', key) }),
    ...(serverName !== undefined && { serverName }),
  }
}

function tokenSasl(read: Read): KafkaSasl {
  refuse(
    read,
    ['kafka.sasl_username', 'kafka.sasl_password', 'kafka.sasl_password_file'],
    'has no use with oauthbearer.',
  )
  const path = read.value('kafka.oauth_token_file')
  if (path === undefined)
    throw invalid(read.as('kafka.oauth_token_file'), 'is missing: oauthbearer needs a token.')
  const token = (): string => read.file('kafka.oauth_token_file', path).trim()
  token()
  return { mechanism: 'oauthbearer', token: async () => await Promise.resolve(token()) }
}

function saslOf(read: Read): KafkaSasl | undefined {
  const mechanism = read.value('kafka.sasl_mechanism')
  if (mechanism === undefined) {
    refuse(read, saslNames, `is set, though ${read.as('kafka.sasl_mechanism')} is not.`)
    return undefined
  }
  if (mechanism === 'oauthbearer') return tokenSasl(read)
  refuse(read, ['kafka.oauth_token_file'], `has no use with ${mechanism}.`)
  const username = read.value('kafka.sasl_username')
  const password = secretOf(read, 'kafka.sasl_password', 'kafka.sasl_password_file')
  if (username === undefined)
    throw invalid(read.as('kafka.sasl_username'), `is missing: ${mechanism} needs it.`)
  if (password === undefined)
    throw invalid(read.as('kafka.sasl_password_file'), `is missing: ${mechanism} needs a password.`)
  return { mechanism, username, password }
}

function kafka(read: Read, text: string): BusConfig {
  const brokers = text.slice('kafka://'.length).split(',')
  const unfit = brokers.find(each => !broker.test(each))
  if (unfit !== undefined)
    throw invalid(
      read.as('bus'),
      `must be kafka://host:port,host:port; ${JSON.stringify(unfit.slice(0, 100))} is not host:port.`,
    )
  const [tls, sasl] = [tlsOf(read), saslOf(read)]
  return {
    kind: 'kafka',
    brokers,
    clientId: read.value('kafka.client_id'),
    topicPrefix: read.value('topic_prefix'),
    ...(tls !== undefined && { tls }),
    ...(sasl !== undefined && { sasl }),
  }
}

function deviceFile(
  read: Read,
  name: 'device.ca_file' | 'device.tls_cert_file' | 'device.tls_key_file',
): string | undefined {
  const file = read.value(name)
  return file === undefined ? undefined : read.file(name, file)
}

function deviceOf(read: Read): Device {
  const name = read.value('device.name')
  if (name === undefined)
    throw invalid(read.as('device.name'), 'is missing: a collector takes batches from enrolled devices only.')
  const key = secretOf(read, 'device.key', 'device.key_file')
  const ca = deviceFile(read, 'device.ca_file')
  const [cert, certKey] = [deviceFile(read, 'device.tls_cert_file'), deviceFile(read, 'device.tls_key_file')]
  if ((cert === undefined) !== (certKey === undefined))
    throw invalid(
      read.as(cert === undefined ? 'device.tls_cert_file' : 'device.tls_key_file'),
      'is missing: certificate and key belong together.',
    )
  if (key === undefined && cert === undefined)
    throw invalid(read.as('device.key'), 'is missing: nothing proves to the collector who this machine is.')
  return {
    name,
    ...(key !== undefined && { key }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(certKey !== undefined && { certKey }),
  }
}

function collector(read: Read, text: string): BusConfig {
  if (!URL.canParse(text) || new URL(text).username !== '')
    throw invalid(read.as('bus'), 'must be a URL without credentials.')
  return { kind: 'collector', url: text, device: deviceOf(read) }
}

/** The bus that is set. Throws `CONFIG_INVALID` for Kafka settings that contradict it or each other. */
export function busConfig(read: Read, home: string): BusConfig {
  const text = read.value('bus')
  if (text.startsWith('kafka:')) return kafka(read, text)
  refuse(read, kafkaNames, `is set, though ${read.as('bus')} is not kafka://….`)
  if (text.startsWith('https:')) return collector(read, text)
  return { kind: 'embedded', dir: join(home, 'bus'), topicPrefix: read.value('topic_prefix') }
}
