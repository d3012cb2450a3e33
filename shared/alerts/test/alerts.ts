import { openBus, type Bus } from '@muniment/bus'
import { alertSchema, topic, type Alert } from '@muniment/schema'
import type { Notice } from '../src/index.ts'

/** An alert from made-up facts. */
export function alert(
  seq: number,
  facts: { readonly tenant?: string; readonly rule?: string; readonly severity?: number } = {},
): Alert {
  const { tenant = 'default', rule = 'path-traversal', severity = 4 } = facts
  const time = 1_770_000_000_000 + seq * 1000
  return alertSchema.parse({
    class_uid: 2004,
    category_uid: 2,
    activity_id: 1,
    type_uid: 200_401,
    time,
    severity_id: severity,
    status_id: 1,
    is_alert: true,
    message: `made-up-secret-sentence ${seq}`,
    metadata: {
      uid: `alert-${seq}`,
      version: '1.8.0',
      product: { name: 'Muniment', vendor_name: 'Muniment', version: '0.1.0' },
      tenant_uid: tenant,
    },
    finding_info: {
      uid: `finding-${seq}`,
      title: 'Path traversal',
      analytic: { uid: 'b7e0', name: rule, type_id: 1 },
      first_seen_time: time,
      last_seen_time: time,
    },
    evidences: [],
    observables: [],
    count: 1,
    unmapped: { dedup_key: 'k', source: { lane: 'detector.p0/0', seq } },
  })
}

export function notice(...about: Parameters<typeof alert>): Notice {
  return { kind: 'alert', alert: alert(...about) }
}

export async function openAlerts(): Promise<Bus> {
  const bus = await openBus({ kind: 'memory' })
  await bus.createTopics()
  return bus
}

export async function publish(bus: Bus, alerts: readonly Alert[]): Promise<void> {
  const records = alerts.map(each => ({
    key: each.metadata.tenant_uid,
    value: Buffer.from(JSON.stringify(each)),
    headers: {},
    partition: 0,
  }))
  await bus.publish(topic.alerts, records)
}
