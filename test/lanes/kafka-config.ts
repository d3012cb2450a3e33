// server.properties of a one-node broker that starts and recovers fast; for tests only.
import { join } from 'node:path'
import type { Certificates } from './tls.ts'

export type Properties = Readonly<Record<string, string | number | boolean>>

export interface BrokerLayout {
  readonly folder: string
  readonly port: number
  readonly controllerPort: number
  readonly advertised: string
  readonly listener: 'PLAINTEXT' | 'SASL_SSL'
}

/** The user that may do everything; topics and access rules are made with it. */
export const administrator = 'admin'

const internalTopics: Properties = {
  'offsets.topic.num.partitions': 1,
  'offsets.topic.replication.factor': 1,
  'transaction.state.log.num.partitions': 1,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'share.coordinator.state.topic.num.partitions': 1,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
}

/** What every broker of the tests has in common. */
export function baseProperties(layout: BrokerLayout): Properties {
  const { listener, port, controllerPort } = layout
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `${listener}://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `${listener}://${layout.advertised}`,
    'listener.security.protocol.map': `CONTROLLER:PLAINTEXT,${listener}:${listener}`,
    'inter.broker.listener.name': listener,
    'log.dirs': join(layout.folder, 'data'),
    'num.network.threads': 1,
    'num.io.threads': 2,
    'background.threads': 2,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    'log.cleaner.dedupe.buffer.size': 4_194_304,
    // The default of 9 s is how long a broker that was killed waits for its own ghost to expire: 11 s instead of 3.
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    ...internalTopics,
  }
}

/** TLS 1.3, SCRAM-SHA-512 and access rules that deny what nobody allowed. */
export function securityProperties(certificates: Certificates, password: string): Properties {
  return {
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${administrator}" password="${password}";`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificates.keyStoreFile,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.authorityFile,
    'ssl.client.auth': 'none',
    'ssl.enabled.protocols': 'TLSv1.3',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // ANONYMOUS is the broker itself on the controller's plain loopback listener.
    'super.users': `User:${administrator};User:ANONYMOUS`,
    'allow.everyone.if.no.acl.found': false,
  }
}

export function renderProperties(properties: Properties): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
