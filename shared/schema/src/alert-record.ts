import type { Alert } from './alert.ts'
import { cloudEventHeaders } from './envelope.ts'

/** What a record of `mcp.alerts` holds. */
export interface AlertRecord {
  readonly key: string
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

/** The record of an alert on `mcp.alerts`, the same whoever raised it: a CloudEvent, keyed by tenant, with its place in its lane. */
export function alertRecord(alert: Alert): AlertRecord {
  const { metadata, time, finding_info: info, unmapped } = alert
  const { lane, seq } = unmapped.source
  const tenant = metadata.tenant_uid
  const headers = cloudEventHeaders({
    id: metadata.uid,
    source: `/${lane}`,
    type: 'dev.muniment.alert.v1',
    time: new Date(time).toISOString(),
    subject: info.analytic.name ?? info.analytic.uid,
    partitionKey: tenant,
  })
  return {
    key: tenant,
    value: new TextEncoder().encode(JSON.stringify(alert)),
    headers: { ...headers, mun_lane: lane, mun_seq: String(seq), mun_from: String(seq), mun_tenant: tenant },
  }
}
