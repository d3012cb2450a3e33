import { deadLetterTopic, type AppError } from '@muniment/schema'
import type { Bus, BusRecord } from './bus.ts'

/** Why a record was given up. */
export interface GivenUp {
  readonly error: AppError
  /** The worker that gave up, such as `masker`. */
  readonly stage: string
}

/** Longest message kept; a message names what happened, never what was in the record. */
const maxMessageLength = 500

/**
 * Publishes a record to the dead-letter topic of its topic, key, value and headers as they came, with `mun_error_…` headers that say where it was and why.
 * Durable when it resolves: only then may the offset move. The headers follow those of Kafka Connect (KIP-298).
 */
export async function publishDeadLetter(
  bus: Bus,
  record: BusRecord,
  { error, stage }: GivenUp,
): Promise<void> {
  const { topic, partition, offset, key, value, headers } = record
  const why = {
    mun_error_topic: topic,
    mun_error_partition: String(partition),
    mun_error_offset: String(offset),
    mun_error_code: error.code,
    mun_error_stage: stage,
    mun_error_message: error.message.slice(0, maxMessageLength),
  }
  await bus.publish(deadLetterTopic(topic), [{ key, value, headers: { ...headers, ...why } }])
}
