import type { MunimentEvent } from '@muniment/schema'
import type { Example } from './sigma/rule.ts'

/** When examples begin: a Monday morning. */
export const exampleStartMs = Date.UTC(2026, 0, 5, 8)
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds between repeats, as in `15s`; a second where nothing is said. */
export function everyMs(value: unknown): number {
  const text = typeof value === 'string' ? value : '1s'
  return Number.parseInt(text, 10) * (units[text.slice(-1)] ?? 1_000)
}

function entriesOf(example: Example, name: string): readonly Readonly<Record<string, unknown>>[] {
  const entries: unknown = example[name]
  return Array.isArray(entries) ? entries : []
}

interface Made {
  readonly fields: Readonly<Record<string, unknown>>
  readonly seq: number
  readonly timeMs: number
}

function eventOf({ fields, seq, timeMs }: Made): MunimentEvent {
  const { tool, principal, server, client, arguments: args, result, repeat: _, every: __, ...rest } = fields
  const name = typeof tool === 'string' ? tool : 'tool'
  const request = { jsonrpc: '2.0', id: seq, method: 'tools/call', params: { name, arguments: args ?? {} } }
  const response = { jsonrpc: '2.0', id: seq, result: result ?? {} }
  return {
    id: `example-${seq}`,
    time: new Date(timeMs).toISOString(),
    tenant: 'default',
    kind: 'call',
    outcome: 'ok',
    method: 'tools/call',
    target: name,
    principal: { id: typeof principal === 'string' ? principal : 'alice', method: 'example' },
    server: { name: typeof server === 'string' ? server : 'files' },
    client: { name: typeof client === 'string' ? client : 'desk' },
    request: { body: request, digest: '', size_bytes: JSON.stringify(request).length },
    response: { body: response, digest: '', size_bytes: JSON.stringify(response).length },
    pii: { findings: [], version: '' },
    nonce: '',
    source: { instance: 'example', epoch: 0, seq, version: '' },
    ...rest,
  }
}

/** The events of an example: each entry repeated at its pace, `#` in its texts replaced by a running number. */
export function exampleEvents(example: Example): readonly MunimentEvent[] {
  const events: MunimentEvent[] = []
  let timeMs = exampleStartMs
  for (const entry of entriesOf(example, 'events')) {
    for (let count = 0; count < Number(entry['repeat'] ?? 1); count += 1) {
      timeMs += everyMs(entry['every'])
      const fields: Readonly<Record<string, unknown>> = JSON.parse(
        JSON.stringify(entry).replaceAll('#', String(events.length)),
      )
      events.push(eventOf({ fields, seq: events.length, timeMs }))
    }
  }
  return events
}
