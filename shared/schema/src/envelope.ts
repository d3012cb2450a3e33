/** What the headers of a CloudEvents 1.0 binary-mode record are made of (Kafka protocol binding §3.2). */
export interface EnvelopeFields {
  readonly id: string
  readonly source: string
  /** `dev.muniment.mcp.<kind>.v1` or `dev.muniment.<topic>.v1` */
  readonly type: string
  readonly time: string
  readonly subject?: string | undefined
  readonly partitionKey: string
  readonly traceparent?: string | undefined
}

const schemaBase = 'https://muniment.dev/schema'

/** CloudEvents 1.0 binary-mode headers for one record; values are strings. */
export function cloudEventHeaders(fields: EnvelopeFields): Record<string, string> {
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: fields.id,
    ce_source: fields.source,
    ce_type: fields.type,
    ce_time: fields.time,
    ce_dataschema: `${schemaBase}/${fields.type}`,
    ce_partitionkey: fields.partitionKey,
    'content-type': 'application/json',
  }
  if (fields.subject !== undefined) headers['ce_subject'] = fields.subject
  if (fields.traceparent !== undefined) headers['ce_traceparent'] = fields.traceparent
  return headers
}

/** The CloudEvents type of an event of this kind. */
export function eventType(kind: string): string {
  return `dev.muniment.mcp.${kind}.v1`
}
