import { expect, test } from 'vitest'
import { csvLine } from '../src/formats/csv.ts'
import { recordFormats, toRecordFormat } from '../src/index.ts'

const event = {
  id: '01a1fd6e-3a59-72f4-a250-f9a7a24357e4',
  time: '2026-11-21T08:00:00.250Z',
  duration_ms: 12.6,
  tenant: 'acme',
  kind: 'call',
  outcome: 'tool_error',
  direction: 'client_to_server',
  transport: 'http',
  protocol_version: '2026-07-28',
  method: 'tools/call',
  target: 'read_file',
  rpc_id: 7,
  channel_id: 'c1',
  session_id: 's1',
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  span_id: 'b7ad6b7169203331',
  principal: { id: 'ada', issuer: 'https://idp.example', method: 'jwt' },
  client: { name: 'inspector', version: '1.0.0' },
  server: { name: 'files', version: '2.0.1' },
  error: { code: -32_000, type: 'tool_error', message: 'no such file' },
  request: { body: { secret: 'BODY' }, digest: 'aa', size_bytes: 10 },
  response: { body: {}, digest: 'bb', size_bytes: 20 },
  pii: { findings: [{ type: 'EMAIL', path: '$', count: 2, action: 'remove' }], version: '1' },
  source: { instance: 'web-1', epoch: 3, seq: 9, version: '0.1.0' },
  nonce: '00',
}

const raw = JSON.stringify(event)

test('ocsf: an API Activity with who, what, where and how it ended, and no body', () => {
  const activity = toRecordFormat('ocsf', raw)
  expect(activity).toMatchObject({
    class_uid: 6003,
    category_uid: 6,
    activity_id: 99,
    activity_name: 'tools/call',
    type_uid: 600_399,
    status_id: 2,
    status: 'Failure',
    status_detail: 'tool_error',
    time: Date.parse(event.time),
    duration: 13,
    metadata: {
      uid: event.id,
      product: { name: 'Muniment', vendor_name: 'Muniment', version: '0.1.0' },
      tenant_uid: 'acme',
      log_name: 'web-1/3',
      sequence: 9,
      correlation_uid: event.trace_id,
    },
    actor: {
      user: { uid: 'ada', domain: 'https://idp.example' },
      app_name: 'inspector',
      session: { uid: 's1', issuer: 'https://idp.example' },
    },
    api: {
      operation: 'tools/call',
      service: { name: 'files', version: '2.0.1' },
      request: { uid: '7' },
      response: { code: -32_000, error: 'tool_error', error_message: 'no such file' },
    },
    src_endpoint: { name: 'inspector', uid: 'c1' },
    resources: [{ name: 'read_file', type: 'tools' }],
    unmapped: { pii: [{ type: 'EMAIL', count: 2, action: 'remove' }], request_digest: 'aa' },
  })
  expect(JSON.stringify(activity)).not.toContain('BODY')
})

test.each([
  ['ok', 1, 1],
  ['denied', 2, 2],
  ['cancelled', 99, 1],
  ['input_required', 99, 1],
])('ocsf: outcome %s has status %i and severity %i', (outcome, statusId, severityId) => {
  const activity = toRecordFormat('ocsf', JSON.stringify({ ...event, outcome }))
  expect(activity).toMatchObject({ status_id: statusId, severity_id: severityId })
})

test('ocsf: reading a resource is a read', () => {
  const read = { ...event, method: 'resources/read' }
  expect(toRecordFormat('ocsf', JSON.stringify(read))).toMatchObject({ activity_id: 2, type_uid: 600_302 })
})

test('cloudevents: the attributes of the record on the bus around the whole event', () => {
  expect(toRecordFormat('cloudevents', raw)).toEqual({
    specversion: '1.0',
    id: event.id,
    source: '/muniment/web-1',
    type: 'dev.muniment.mcp.call.v1',
    time: event.time,
    subject: 'tools/call',
    dataschema: 'https://muniment.dev/schema/dev.muniment.mcp.call.v1',
    partitionkey: 'web-1/3',
    datacontenttype: 'application/json',
    data: event,
  })
})

test('otel-log: a line of OTLP JSON with the names of the conventions', () => {
  const line: { resourceLogs?: { scopeLogs: { logRecords: { attributes: unknown[] }[] }[] }[] } =
    toRecordFormat('otel-log', raw) ?? {}
  const record = line.resourceLogs?.[0]?.scopeLogs[0]?.logRecords[0]
  expect(record).toMatchObject({
    timeUnixNano: '1795248000250000000',
    severityNumber: 17,
    eventName: 'muniment.mcp.call',
    traceId: event.trace_id,
    spanId: event.span_id,
  })
  expect(record?.attributes).toEqual(
    expect.arrayContaining([
      { key: 'mcp.method.name', value: { stringValue: 'tools/call' } },
      { key: 'gen_ai.tool.name', value: { stringValue: 'read_file' } },
      { key: 'jsonrpc.request.id', value: { stringValue: '7' } },
      { key: 'network.transport', value: { stringValue: 'tcp' } },
      { key: 'muniment.duration_ms', value: { doubleValue: 12.6 } },
      { key: 'muniment.seq', value: { intValue: '9' } },
    ]),
  )
})

test.each(recordFormats)('%s: the smallest event has a form, and what is no event has none', format => {
  const { id, time, tenant, pii, source, nonce } = event
  const smallest = JSON.stringify({ id, time, tenant, kind: 'heartbeat', pii, source, nonce })
  expect(toRecordFormat(format, smallest)).toBeTypeOf('object')
  for (const other of ['', '{', '7', '{"id":"x"}']) expect(toRecordFormat(format, other)).toBeUndefined()
})

test.each([
  ['a formula', '=1+1', '"\t=1+1"'],
  ['a quote', 'say "hi"', '"say ""hi"""'],
  ['a comma', 'a,b', '"a,b"'],
  ['a negative number', -5, '-5'],
  ['nothing', null, ''],
])('a CSV cell with %s stays one inert cell', (_, value, cell) => {
  expect(csvLine([value])).toBe(cell)
})
