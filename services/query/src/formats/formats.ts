import { eventSchema, type MunimentEvent } from '@muniment/schema'
import { toCloudEvent } from './cloudevents.ts'
import { toOcsf } from './ocsf.ts'
import { toOtelLog } from './otel-log.ts'

const writers = {
  ocsf: toOcsf,
  cloudevents: toCloudEvent,
  'otel-log': toOtelLog,
} as const satisfies Readonly<Record<string, (event: MunimentEvent) => object>>

/** A form in which other systems take events. */
export type RecordFormat = keyof typeof writers

/** Every {@link RecordFormat}. */
export const recordFormats = Object.keys(writers).filter(isRecordFormat)

/** Whether a name is one of them. */
export function isRecordFormat(name: string): name is RecordFormat {
  return Object.hasOwn(writers, name)
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw)
  } catch {
    return undefined
  }
}

/** An archived event in another form; `undefined` for a record that is no event. */
export function toRecordFormat(format: RecordFormat, raw: string): object | undefined {
  const event = eventSchema.safeParse(parse(raw)).data
  return event && writers[format](event)
}
