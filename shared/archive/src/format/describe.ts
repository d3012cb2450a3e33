import { topic } from '@muniment/schema'
import type { Place } from './lanes.ts'
import { fieldNames, scanFields, type FieldNames } from './scan.ts'

/** What the archive needs to know of a record; everything else is for queries. */
export interface Description {
  readonly tenant: string
  /** When it happened, by the producer's clock. */
  readonly timeMs: number | undefined
  readonly place: Place
}

const defaultTenant = 'default'
const tenantPattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/u
const nowhere: Place = { kind: 'none' }
const unknown: Description = { tenant: defaultTenant, timeMs: undefined, place: nowhere }

type Json = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSeq(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function tenantOf(value: unknown): string {
  return typeof value === 'string' && tenantPattern.test(value) ? value : defaultTenant
}

function timeOf(value: unknown): number | undefined {
  const timeMs = typeof value === 'string' ? Date.parse(value) : value
  return isSeq(timeMs) ? timeMs : undefined
}

function laneName(source: Json): string | undefined {
  const { instance, epoch } = source
  return typeof instance === 'string' && isSeq(epoch) ? `${instance}/${epoch}` : undefined
}

function isAlive(event: Json): boolean {
  return event['kind'] === 'heartbeat' && isObject(event['lane']) && event['lane']['state'] === 'alive'
}

function endsLane(event: Json): boolean {
  return isObject(event['lane']) && event['lane']['state'] === 'end'
}

function gapOf(
  event: Json,
  seq: number,
): { readonly fromSeq: number; readonly isClaim: boolean } | undefined {
  const gap = event['kind'] === 'gap' && isObject(event['gap']) ? event['gap'] : {}
  const from = gap['from_seq']
  return isSeq(from) && from <= seq ? { fromSeq: from, isClaim: gap['claimed'] === true } : undefined
}

function eventPlace(event: Json, timeMs: number | undefined): Place {
  if (!isObject(event['source'])) return nowhere
  const lane = laneName(event['source'])
  const { seq } = event['source']
  if (lane === undefined || !isSeq(seq)) return nowhere
  if (isAlive(event)) return { kind: 'alive', lane, seq, timeMs: timeMs ?? 0 }
  const gap = gapOf(event, seq)
  if (gap !== undefined) return { kind: 'gap', lane, seq, ...gap }
  return { kind: 'event', lane, seq, endsLane: endsLane(event) }
}

function describeEvent(event: Json): Description {
  const timeMs = timeOf(event['time'])
  return { tenant: tenantOf(event['tenant']), timeMs, place: eventPlace(event, timeMs) }
}

function describeAlert(alert: Json): Description {
  const metadata = isObject(alert['metadata']) ? alert['metadata'] : {}
  const { uid } = metadata
  // An update of an alert is another record; the same update computed twice is not.
  const id =
    typeof uid === 'string' ? `${uid}:${String(alert['activity_id'])}:${String(alert['count'])}` : undefined
  return {
    tenant: tenantOf(metadata['tenant_uid']),
    timeMs: timeOf(alert['time']),
    place: id === undefined ? nowhere : { kind: 'none', id },
  }
}

function describeDecision(decision: Json): Description {
  const tenant = decision['scope'] === 'tenant' ? tenantOf(decision['value']) : tenantOf(decision['tenant'])
  return { tenant, timeMs: timeOf(decision['issued']), place: nowhere }
}

interface Describer {
  readonly names: FieldNames
  readonly describe: (value: Json) => Description
}

const describers: Readonly<Record<string, Describer>> = {
  [topic.events]: {
    names: fieldNames('tenant', 'time', 'kind', 'source', 'lane', 'gap'),
    describe: describeEvent,
  },
  [topic.alerts]: { names: fieldNames('metadata', 'time', 'activity_id', 'count'), describe: describeAlert },
  [topic.control]: { names: fieldNames('scope', 'value', 'tenant', 'issued'), describe: describeDecision },
}

/** What a record's bytes say; a malformed record belongs to tenant `default` and to no lane. */
export function describeRecord(topicName: string, value: Uint8Array): Description {
  const describer = describers[topicName]
  if (describer === undefined) return unknown
  try {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
    const fields = scanFields(bytes, describer.names)
    return fields === undefined ? unknown : describer.describe(fields)
  } catch {
    return unknown
  }
}
