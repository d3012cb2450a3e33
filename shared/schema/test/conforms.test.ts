import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isObservation, observationSchema } from '../src/index.ts'

const whole: Readonly<Record<string, unknown>> = {
  v: 1,
  id: '0199c82c-c005-7505-8505-050505050505',
  time: '2025-10-09T08:53:20.000Z',
  duration_ms: 0,
  tenant: 'default',
  kind: 'call',
  outcome: 'tool_error',
  direction: 'client_to_server',
  transport: 'http',
  protocol_version: '2025-11-25',
  method: 'tools/call',
  target: 'lookup',
  rpc_id: 'a',
  channel_id: 'c',
  session_id: 's',
  conversation_id: 'x',
  trace_id: '0'.repeat(32),
  span_id: '0'.repeat(16),
  task_id: 't',
  round: 2,
  principal: { id: 'p', client_id: 'c', issuer: 'i', scopes: ['read'], method: 'api_key' },
  client: { name: 'c', version: '1' },
  server: { name: 's', version: '1', id: 'x' },
  error: { code: -32_000, type: 'rpc', message: 'no' },
  request: { size_bytes: 1, item_count: 2, truncated: true },
  response: {
    size_bytes: 1,
    changed: {
      size_bytes: 3,
      sha256: '0'.repeat(64),
      findings: [{ type: 'EMAIL', path: 'a', count: 1, action: 'token' }],
    },
  },
  policy: [{ name: 'n', decision: 'allow', reason: 'r' }],
  gap: { from_seq: 0, to_seq: 4, reason: 'r', count: 5, claimed: true },
  lane: { state: 'alive' },
  source: { instance: 'web', epoch: 0, seq: 4, version: '1' },
}

test('an observation with every field, and one with only the required ones, conforms', () => {
  const { v, id, time, tenant, kind, source } = whole
  expect([whole, { v, id, time, tenant, kind, source }].map(isObservation)).toEqual([true, true])
})

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    0.5,
    2 ** 53,
    true,
    '',
    [],
    {},
    'call',
    'x'.repeat(257),
    'x'.repeat(4097),
  ),
  fc.constantFrom<unknown>(
    '2025-02-29T00:00:00Z',
    '2025-10-09 08:53',
    '0199c82c-c005-4505-8505-050505050505',
    'A b',
  ),
  fc.constantFrom<unknown>(
    { name: 1 },
    { name: 'n', more: 1 },
    { size_bytes: -1 },
    { state: 'dead' },
    [{}],
    ['x'],
  ),
  fc.jsonValue(),
)

const keys = fc.oneof(
  fc.constantFrom(...Object.keys(whole)),
  fc.constantFrom('__proto__', 'constructor', 'new'),
)

test('whatever conforms is accepted by the schema and returned unchanged', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(keys, odd), { maxLength: 3 }), changes => {
      const changed = JSON.stringify({ ...whole, ...Object.fromEntries(changes) })
      const value: unknown = JSON.parse(changed)
      const parsed = observationSchema.safeParse(value)
      const isUnchanged =
        parsed.success && JSON.stringify(sorted(parsed.data)) === JSON.stringify(sorted(value))
      expect(isObservation(value)).toBe(isUnchanged)
    }),
    { numRuns: 2000 },
  )
})

test('a required field that is missing, and any that is one too many, does not conform', () => {
  for (const name of ['v', 'id', 'time', 'tenant', 'kind', 'source']) {
    const { [name]: _, ...rest } = whole
    expect(isObservation(rest), name).toBe(false)
  }
  expect(isObservation(JSON.parse('{"__proto__":{"v":1}}'))).toBe(false)
  expect(isObservation([whole])).toBe(false)
})

/** The same value with all keys in order, so that two can be compared as texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, part]) => [key, sorted(part)])
}
