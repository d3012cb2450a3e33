import { createHash } from 'node:crypto'
import { ocsfVersion, type Alert } from '@muniment/schema'
import type { Observation } from './observation.ts'
import type { GroupState } from './state.ts'

const productVersion = '0.1.0'
/** OCSF observable types (1.8.0): 1 hostname, 4 user name, 99 other. */
const observableTypes = { principal: 4, server: 1, target: 99, client: 99, lane: 99 } as const

/** A name that the same finding always gets. */
export function stableUid(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}

function attacksOf(tags: readonly string[]): Record<string, unknown>[] {
  return tags
    .filter(tag => /^(?:attack\.t\d|atlas\.)/u.test(tag))
    .map(tag => ({ technique: { uid: tag.slice(tag.indexOf('.') + 1).toUpperCase() } }))
}

/** OWASP's MCP Top 10 and its list for agentic applications. */
function typesOf(tags: readonly string[]): readonly string[] {
  return tags
    .filter(tag => /^owasp\.(?:mcp|asi)\d\d$/u.test(tag))
    .map(tag => `OWASP ${tag.slice(6).toUpperCase()}`)
}

function observablesOf(fields: Observation['fields']): Alert['observables'] {
  const names = ['principal', 'server', 'target', 'client', 'lane'] as const
  return names.flatMap(name => {
    const value = fields[name]
    return value === undefined ? [] : [{ name, type_id: observableTypes[name], value }]
  })
}

/** Which notification of which group, and its place in the detector's lane. */
export interface AlertPlace {
  readonly dedupKey: string
  readonly policyDigest: string
  readonly lane: string
  readonly seq: number
}

function findingOf({ rule, eventId }: Observation, group: GroupState): Alert['finding_info'] {
  return {
    uid: group.uid,
    title: rule.title,
    desc: rule.description,
    types: [...typesOf(rule.tags)],
    analytic: { uid: rule.id, name: rule.name, type_id: 1, version: rule.version },
    first_seen_time: group.firstMs,
    last_seen_time: group.lastMs,
    attacks: attacksOf(rule.tags),
    related_events: [{ uid: eventId }],
  }
}

/** The alert for the newest observation of a group. */
export function alertOf(observation: Observation, group: GroupState, place: AlertPlace): Alert {
  const { rule, fields } = observation
  const times =
    group.count === 1 ? '' : ` (${group.count} times since ${new Date(group.firstMs).toISOString()})`
  return {
    class_uid: 2004,
    category_uid: 2,
    activity_id: group.count === 1 ? 1 : 2,
    type_uid: group.count === 1 ? 200_401 : 200_402,
    time: group.lastMs,
    severity_id: rule.severity,
    status_id: 1,
    is_alert: true,
    confidence_score: Math.round(group.score * 100),
    message: `${observation.sentence}${times}`,
    metadata: {
      uid: stableUid(group.uid, group.count),
      version: ocsfVersion,
      product: { name: 'Muniment', vendor_name: 'Muniment', version: productVersion },
      tenant_uid: observation.tenant,
    },
    finding_info: findingOf(observation, group),
    ...(fields.principal === undefined ? {} : { actor: { user: { uid: fields.principal } } }),
    evidences: group.evidences.map(data => ({ data: { ...data } })),
    observables: observablesOf(fields),
    count: group.count,
    unmapped: {
      dedup_key: place.dedupKey,
      policy_digest: place.policyDigest,
      source: { lane: place.lane, seq: place.seq },
    },
  }
}
