import type { DeviceSettings } from './collector/way.ts'
import type { GuardPart } from './guard/guard.ts'
import type { KafkaSettings } from './kafka-settings.ts'
import type { OnProblem } from './problem.ts'
import type { Transport } from './record.ts'
import type { Delivery } from './settings.ts'

/** How an observed server, client or transport is recorded; everything has a default from the environment. */
export interface AttachOptions {
  /** `embedded:` (default) leaves sealed batches for `muniment up` to collect; `kafka://host:port,…` publishes them, `https://…` sends them to a collector. */
  readonly bus?: string
  /** Folder of keys and spools; default `MUNIMENT_HOME` or `./.muniment`. */
  readonly home?: string
  /** How to reach the brokers of a `kafka://` bus; default its address and the `MUNIMENT_KAFKA_…` variables. */
  readonly kafka?: KafkaSettings
  /** Who this machine is to a collector; default the `MUNIMENT_DEVICE…` variables. */
  readonly device?: DeviceSettings
  /** What replaces `mcp.` in topic names; default `MUNIMENT_TOPIC_PREFIX`. */
  readonly topicPrefix?: string
  readonly tenant?: string
  /** Name under which the server appears in events; default `MUNIMENT_SERVER_NAME`, else what it calls itself. */
  readonly serverName?: string
  /** Public key to seal to, `<kid>.<base64url>`; default `MUNIMENT_INGEST_KEY`, else the file `ingest.pub` of the home folder. */
  readonly ingestKey?: string
  /** Public keys that sign control decisions, `<id>.<base64url>`, separated by commas; default `MUNIMENT_CONTROL_KEY`, else the file `control.pub` of the home folder. */
  readonly controlKey?: string
  /** What no decision may touch, as `scope/value`; default `MUNIMENT_GUARD_ALLOW`. */
  readonly guardAllow?: readonly string[]
  /** Judges messages before they go on: what a door of `@muniment/interceptor/guard` makes, or several such parts. Without it calls are never delayed or changed. */
  readonly guard?: GuardPart | readonly GuardPart[]
  /** Requests that reach the server only once they are recorded; default `MUNIMENT_FAIL_CLOSED`, else none: then nothing waits for its record. */
  readonly delivery?: 'fail-open' | 'fail-closed' | Partial<Delivery>
  /** Bytes of observations that may wait in memory (default 32 MiB); beyond it the newest are dropped and counted. */
  readonly ringMaxBytes?: number
  /** Bytes of sealed batches that may wait on disk (default 1 GiB). */
  readonly spoolMaxBytes?: number
  /** Which side of the conversation is observed, where its transport does not tell. */
  readonly role?: 'server' | 'client'
  readonly transport?: Transport
  /** Receives what an operator should know, instead of one line on stderr. Payloads are never in it. */
  readonly onProblem?: OnProblem
}
