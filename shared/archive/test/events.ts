/** A masked event as it stands on the bus; made-up data. */
export function event(fields: {
  readonly seq: number
  readonly lane?: string
  readonly tenant?: string
  readonly text?: string
}): Buffer {
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
  const value = {
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
  return Buffer.from(JSON.stringify(value))
}

/** Everything a stream yields. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}
