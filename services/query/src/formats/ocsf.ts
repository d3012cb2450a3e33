import { ocsfVersion, type MunimentEvent } from '@muniment/schema'

const classUid = 6003
const categoryUid = 6
const other = 99

/** OCSF's activities by the MCP method; what changes something is known to the server alone, so calling a tool is "other". */
const activities: Readonly<Record<string, readonly [id: number, name: string]>> = {
  'resources/read': [2, 'Read'],
  'resources/list': [2, 'Read'],
  'tools/list': [2, 'Read'],
  'prompts/list': [2, 'Read'],
  'prompts/get': [2, 'Read'],
}

/** Ends that are neither success nor failure of the call have status 99. */
const statuses: Readonly<Record<NonNullable<MunimentEvent['outcome']>, readonly [id: number, name: string]>> =
  {
    ok: [1, 'Success'],
    tool_error: [2, 'Failure'],
    rpc_error: [2, 'Failure'],
    denied: [2, 'Failure'],
    cancelled: [other, 'Cancelled'],
    unanswered: [other, 'Unanswered'],
    input_required: [other, 'Input Required'],
    task: [other, 'Task'],
  }

const failure = 2
const informational = 1
const low = 2

function actor({ principal, client, session_id: session }: MunimentEvent): Record<string, unknown> {
  return {
    ...(principal && { user: { uid: principal.id, ...(principal.issuer && { domain: principal.issuer }) } }),
    ...(client && { app_name: client.name }),
    ...(session !== undefined && {
      session: { uid: session, ...(principal?.issuer && { issuer: principal.issuer }) },
    }),
  }
}

function api({
  method,
  kind,
  server,
  rpc_id: rpcId,
  error,
  outcome,
}: MunimentEvent): Record<string, unknown> {
  return {
    operation: method ?? kind,
    ...(server && { service: { name: server.name, ...(server.version && { version: server.version }) } }),
    ...(rpcId !== undefined && { request: { uid: String(rpcId) } }),
    response: {
      ...(typeof error?.code === 'number' && { code: error.code }),
      ...(error && {
        error: error.type,
        ...(error.message !== undefined && { error_message: error.message }),
      }),
      message: outcome ?? kind,
    },
  }
}

function metadata({ id, tenant, trace_id: trace, source }: MunimentEvent): Record<string, unknown> {
  return {
    version: ocsfVersion,
    uid: id,
    product: { name: 'Muniment', vendor_name: 'Muniment', version: source.version },
    tenant_uid: tenant,
    log_name: `${source.instance}/${source.epoch}`,
    sequence: source.seq,
    ...(trace !== undefined && { correlation_uid: trace }),
  }
}

/** How it ended; nothing for what has no end, such as a notification. */
function ending({ outcome }: MunimentEvent): Record<string, unknown> {
  if (outcome === undefined) return { severity_id: informational }
  const [statusId, status] = statuses[outcome]
  const severity = statusId === failure ? low : informational
  return { severity_id: severity, status_id: statusId, status, status_detail: outcome }
}

function unmapped({ kind, transport, pii, request, response }: MunimentEvent): Record<string, unknown> {
  return {
    kind,
    transport,
    pii: pii.findings.map(({ type, count, action }) => ({ type, count, action })),
    request_digest: request?.digest,
    response_digest: response?.digest,
  }
}

/** An event as an OCSF API Activity (class 6003). Bodies stay out: `unmapped` says what was found in them. */
export function toOcsf(event: MunimentEvent): Record<string, unknown> {
  const { method, target } = event
  const [activityId, activityName] = activities[method ?? ''] ?? [other, method ?? event.kind]
  return {
    class_uid: classUid,
    class_name: 'API Activity',
    category_uid: categoryUid,
    category_name: 'Application Activity',
    activity_id: activityId,
    activity_name: activityName,
    type_uid: classUid * 100 + activityId,
    ...ending(event),
    time: Date.parse(event.time),
    ...(event.duration_ms !== undefined && { duration: Math.round(event.duration_ms) }),
    metadata: metadata(event),
    actor: actor(event),
    api: api(event),
    src_endpoint: { name: event.client?.name ?? 'unknown', uid: event.channel_id ?? 'unknown' },
    ...(target !== undefined && { resources: [{ name: target, type: method?.split('/')[0] }] }),
    unmapped: unmapped(event),
  }
}
