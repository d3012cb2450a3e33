import { alertSchema } from './alert.ts'
import { decisionSchema } from './decision.ts'
import { eventSchema } from './event.ts'
import { signalSchema } from './signal.ts'
import type { z } from 'zod'

/** The parts of the system that hold credentials of their own. */
export type Role = 'interceptor' | 'masker' | 'detector' | 'archiver' | 'query' | 'subscriber' | 'operator'

/** One topic: the table from which topic creation, access lists and the AsyncAPI document are generated. */
export interface TopicSpec {
  readonly name: string
  readonly key: string
  readonly summary: string
  readonly partitions: number
  /** `undefined` = compacted, kept for ever. */
  readonly retentionMs: number | undefined
  readonly schema: z.ZodType | undefined
  readonly contentType: string
  readonly writers: readonly Role[]
  readonly readers: readonly Role[]
}

const hour = 3_600_000
const day = 24 * hour
const json = 'application/json'

const base: readonly TopicSpec[] = [
  {
    name: 'mcp.calls.raw',
    key: 'lane',
    summary: 'Sealed batches of observations; only the masker can open them',
    partitions: 12,
    retentionMs: day,
    schema: undefined,
    contentType: 'application/vnd.muniment.sealed-batch.v1',
    // Who reads or administers records that, sealed like everything else.
    writers: ['interceptor', 'operator', 'query'],
    readers: ['masker'],
  },
  {
    name: 'mcp.events',
    key: 'lane',
    summary: 'Masked events, one a record; partition p is written only from raw partition p',
    partitions: 12,
    retentionMs: 7 * day,
    schema: eventSchema,
    contentType: json,
    writers: ['masker'],
    readers: ['detector', 'archiver', 'query', 'subscriber'],
  },
  {
    name: 'mcp.signals',
    key: 'tenant/principal',
    summary: 'What behaviour rules need of each event, without content; internal to the detector',
    partitions: 12,
    retentionMs: day,
    schema: signalSchema,
    contentType: json,
    writers: ['detector'],
    readers: ['detector'],
  },
  {
    name: 'mcp.alerts',
    key: 'tenant',
    summary: 'Alerts: OCSF Detection Finding (2004)',
    partitions: 3,
    retentionMs: 30 * day,
    schema: alertSchema,
    contentType: json,
    writers: ['detector'],
    readers: ['archiver', 'query', 'subscriber', 'detector'],
  },
  {
    name: 'mcp.control',
    key: 'scope/value',
    summary: 'Signed control decisions for interceptors',
    partitions: 1,
    retentionMs: undefined,
    schema: decisionSchema,
    contentType: json,
    writers: ['detector', 'operator'],
    readers: ['interceptor', 'archiver', 'query', 'detector', 'operator'],
  },
]

function deadLetters(spec: TopicSpec): TopicSpec {
  return {
    ...spec,
    name: `${spec.name}.dlq`,
    key: 'as the original',
    summary: `Records of ${spec.name} that a worker gave up on: original bytes and error headers without payload text`,
    partitions: 1,
    retentionMs: 14 * day,
    schema: undefined,
    contentType: 'application/octet-stream',
    // The dispatcher of alerts is a subscriber; interceptors, queries and operators read without giving up on records.
    writers: spec.readers.filter(role => !['interceptor', 'query', 'operator'].includes(role)),
    readers: ['operator'],
  }
}

/** Every topic of the system under its default name; `MUNIMENT_TOPIC_PREFIX` replaces `mcp.` where a bus is opened. */
export const topics: readonly TopicSpec[] = [...base, ...base.map(deadLetters)]

/** Default names of the five topics. */
export const topic = {
  raw: 'mcp.calls.raw',
  events: 'mcp.events',
  signals: 'mcp.signals',
  alerts: 'mcp.alerts',
  control: 'mcp.control',
} as const

/** Name of the dead-letter topic of `name`. */
export function deadLetterTopic(name: string): string {
  return `${name}.dlq`
}
