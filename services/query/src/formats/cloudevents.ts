import { cloudEventHeaders, eventType, laneOf, type MunimentEvent } from '@muniment/schema'

/** An event as a CloudEvent 1.0 in structured JSON: the same attributes that its record has on the bus. */
export function toCloudEvent(event: MunimentEvent): Record<string, unknown> {
  const headers = cloudEventHeaders({
    id: event.id,
    source: `/muniment/${encodeURIComponent(event.source.instance)}`,
    type: eventType(event.kind),
    time: event.time,
    subject: event.method,
    partitionKey: laneOf(event.source),
  })
  const attributes = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith('ce_') ? [[name.slice('ce_'.length), value]] : [],
  )
  return { ...Object.fromEntries(attributes), datacontenttype: 'application/json', data: event }
}
