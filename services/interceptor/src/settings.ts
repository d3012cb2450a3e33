import type { DeviceSettings } from './collector/way.ts'
import type { KafkaSettings } from './kafka-settings.ts'
import type { OnProblem } from './problem.ts'

/** Which requests wait until they are recorded, and how long. */
export interface Delivery {
  /** `*`, a tool as `delete_*`, a method as `resources/read`, or both as `tools/call:delete_*`. */
  readonly failClosed: readonly string[]
  readonly deadlineMs: number
}

/** Options with nothing left to decide. */
export interface Settings {
  readonly bus: string
  readonly home: string
  readonly tenant: string
  readonly ingestKey: string | undefined
  readonly topicPrefix: string | undefined
  readonly serverName: string | undefined
  readonly controlKey: string | undefined
  /** What no decision may touch, as `scope/value`. */
  readonly guardAllow: readonly string[]
  /** `MASK_PII_BEFORE_LLM`, where it is set. */
  readonly maskBeforeLlm: boolean | undefined
  readonly delivery: Delivery | undefined
  /** How to reach the brokers; only where the bus is Kafka. */
  readonly kafka: KafkaSettings | undefined
  /** Who this machine is; only where the bus is a collector. */
  readonly device: DeviceSettings | undefined
  readonly ringMaxBytes: number
  readonly spoolMaxBytes: number
  readonly onProblem: OnProblem
}
