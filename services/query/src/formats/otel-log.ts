import type { MunimentEvent } from '@muniment/schema'

type Primitive = string | number | boolean | undefined

/** Attributes by the names of OpenTelemetry's conventions (MCP, GenAI, JSON-RPC, general), and ours where there is none. */
const attributes: readonly (readonly [name: string, value: (event: MunimentEvent) => Primitive])[] = [
  ['mcp.method.name', event => event.method],
  ['mcp.session.id', event => event.session_id],
  ['mcp.protocol.version', event => event.protocol_version],
  ['mcp.resource.uri', event => (event.method?.startsWith('resources/') === true ? event.target : undefined)],
  ['gen_ai.tool.name', event => (event.method === 'tools/call' ? event.target : undefined)],
  ['gen_ai.prompt.name', event => (event.method === 'prompts/get' ? event.target : undefined)],
  ['gen_ai.conversation.id', event => event.conversation_id],
  ['jsonrpc.request.id', event => (event.rpc_id === undefined ? undefined : String(event.rpc_id))],
  [
    'rpc.response.status_code',
    event => (event.error?.code === undefined ? undefined : String(event.error.code)),
  ],
  ['error.type', event => event.error?.type],
  ['network.transport', event => transports[event.transport ?? 'in_memory']],
  ['enduser.id', event => event.principal?.id],
  ['muniment.event.id', event => event.id],
  ['muniment.tenant', event => event.tenant],
  ['muniment.kind', event => event.kind],
  ['muniment.outcome', event => event.outcome],
  ['muniment.duration_ms', event => event.duration_ms],
  ['muniment.client.name', event => event.client?.name],
  ['muniment.lane', event => `${event.source.instance}/${event.source.epoch}`],
  ['muniment.seq', event => event.source.seq],
  ['muniment.pii.types', event => event.pii.findings.map(({ type }) => type).join(',') || undefined],
]

const transports: Readonly<Record<NonNullable<MunimentEvent['transport']>, string>> = {
  stdio: 'pipe',
  http: 'tcp',
  sse: 'tcp',
  in_memory: 'inproc',
}

/** A value of OTLP's JSON encoding: 64-bit integers are text. */
function anyValue(value: string | number | boolean): Record<string, unknown> {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

function keyValues(pairs: readonly (readonly [string, Primitive])[]): readonly Record<string, unknown>[] {
  return pairs.flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: anyValue(value) }]))
}

const failures: ReadonlySet<string> = new Set(['tool_error', 'rpc_error', 'denied'])
const [info, error] = [9, 17]

function nanos(timeMs: number): string {
  return String(BigInt(timeMs) * 1_000_000n)
}

function logRecord(event: MunimentEvent): Record<string, unknown> {
  const isFailure = failures.has(event.outcome ?? '')
  const timeUnixNano = nanos(Date.parse(event.time))
  return {
    timeUnixNano,
    observedTimeUnixNano: timeUnixNano,
    severityNumber: isFailure ? error : info,
    severityText: isFailure ? 'ERROR' : 'INFO',
    eventName: `muniment.mcp.${event.kind}`,
    body: {
      stringValue: [event.method ?? event.kind, event.target, event.outcome].filter(Boolean).join(' '),
    },
    attributes: keyValues(attributes.map(([name, value]) => [name, value(event)])),
    ...(event.trace_id !== undefined && { traceId: event.trace_id }),
    ...(event.span_id !== undefined && { spanId: event.span_id }),
  }
}

/** An event as one line of OTLP JSON (`LogsData`), as OpenTelemetry's file exporter writes and collectors read it. */
export function toOtelLog(event: MunimentEvent): Record<string, unknown> {
  const service = [
    ['service.name', event.server?.name ?? 'mcp-server'],
    ['service.version', event.server?.version],
    ['service.instance.id', event.source.instance],
  ] as const
  const scope = { name: 'muniment', version: event.source.version }
  return {
    resourceLogs: [
      {
        resource: { attributes: keyValues(service) },
        scopeLogs: [{ scope, logRecords: [logRecord(event)] }],
      },
    ],
  }
}
