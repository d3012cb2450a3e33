interface EventFields {
  readonly seq: number
  readonly lane?: string
  readonly tenant?: string
  readonly text?: string
}

function eventObject(fields: EventFields): { readonly id: string; readonly [field: string]: unknown } {
  const { seq, lane = 'server-1/0', tenant = 'acme', text = 'lunch at noon' } = fields
  const [instance, epoch] = lane.split('/')
  const time = Date.UTC(2026, 10, 21, 8) + seq
  const id = `${time
    .toString(16)
    .padStart(12, '0')
    .replace(/^(.{8})/u, '$1-')}-7000-8000-${String(seq).padStart(12, '0')}`
  const body = {
    jsonrpc: '2.0',
    id: seq,
    method: 'tools/call',
    params: { name: 'note', arguments: { text } },
  }
  return {
    id,
    time: new Date(time).toISOString(),
    duration_ms: 3.5,
    tenant,
    kind: 'call',
    outcome: 'ok',
    direction: 'client_to_server',
    transport: 'stdio',
    method: 'tools/call',
    target: 'note',
    principal: { id: 'alice', method: 'api_key' },
    source: { instance, epoch: Number(epoch), seq, version: '0.1.0' },
    request: { size_bytes: 120, body, digest: 'd'.repeat(64) },
    pii: { findings: [{ type: 'EMAIL', path: '$.a', count: 1, action: 'token' }], version: '1' },
    nonce: seq.toString(16).padStart(32, '0'),
  }
}

/** A masked event as it stands on the bus; made-up data. */
export function event(fields: EventFields): Buffer {
  return Buffer.from(JSON.stringify(eventObject(fields)))
}

/** The id of that event. */
export function eventId(seq: number): string {
  return eventObject({ seq }).id
}

/** Everything a stream yields. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

/** A gap event: `from` to `to` of the lane are lost. */
export function gapEvent(fields: {
  readonly from: number
  readonly to: number
  readonly claimed?: true
}): Buffer {
  const base = eventObject({ seq: fields.to })
  const gap = {
    from_seq: fields.from,
    to_seq: fields.to,
    reason: 'overflow',
    count: fields.to - fields.from + 1,
    claimed: fields.claimed,
  }
  return Buffer.from(JSON.stringify({ ...base, kind: 'gap', gap }))
}

/** A heartbeat that repeats the lane's last number. */
export function heartbeat(fields: { readonly seq: number; readonly timeMs: number }): Buffer {
  const base = eventObject({ seq: fields.seq })
  const time = new Date(fields.timeMs).toISOString()
  return Buffer.from(JSON.stringify({ ...base, kind: 'heartbeat', time, lane: { state: 'alive' } }))
}

/** What of an alert the archive looks at. */
export function alert(uid: string): Buffer {
  const metadata = { uid, tenant_uid: 'acme' }
  return Buffer.from(
    JSON.stringify({ class_uid: 2004, activity_id: 1, count: 1, time: 1_700_000_000_000, metadata }),
  )
}
