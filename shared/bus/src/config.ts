import type { TopicSpec } from '@muniment/schema'

/** How to prove to the brokers who one is. Passwords and tokens are never logged. */
export type SaslConfig =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | {
      readonly mechanism: 'oauthbearer'
      /** Called whenever a connection needs a token; the provider caches and renews. */
      readonly token: () => Promise<string>
    }

/** TLS to the brokers: the system's authorities unless `caPem` names others. */
export interface TlsConfig {
  readonly caPem?: string
  readonly certPem?: string
  readonly keyPem?: string
  readonly serverName?: string
}

/** What replaces the `mcp.` at the beginning of topic names, so that several installations can share brokers. */
interface PrefixConfig {
  readonly topicPrefix?: string
}

/** Topics on Kafka brokers. */
export interface KafkaConfig extends PrefixConfig {
  readonly kind: 'kafka'
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly tls?: boolean | TlsConfig
  readonly sasl?: SaslConfig
  /** After how long a silent consumer, a killed one too, loses its partitions; default 10 s, brokers allow 6 s and more by default. */
  readonly sessionTimeoutMs?: number
  /** How long a `publish` may take before it rejects; default 120 s. */
  readonly publishTimeoutMs?: number
}

/** Topics in one database file on this machine, for any number of processes. */
export interface EmbeddedConfig extends PrefixConfig {
  readonly kind: 'embedded'
  /** Folder of `bus.db`; created with mode 0700 where it does not exist. */
  readonly dir: string
  /** How long a `publish` may wait for other processes before it rejects; default 30 s. */
  readonly publishTimeoutMs?: number
}

/** Topics in the memory of this process. */
export interface MemoryConfig extends PrefixConfig {
  readonly kind: 'memory'
}

/** Where the topics are. */
export type BusConfig = MemoryConfig | EmbeddedConfig | KafkaConfig

/** What a bus takes from its surroundings; everything has a default. */
export interface BusDeps {
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** A string that no other call returns. */
  readonly newId?: () => string
  /** Receives what an operator should know: a stable dotted name and facts without payloads or credentials. */
  readonly log?: (event: string, facts: Readonly<Record<string, unknown>>) => void
  /** The topic table; default that of `@muniment/schema`. */
  readonly topics?: readonly TopicSpec[]
}
