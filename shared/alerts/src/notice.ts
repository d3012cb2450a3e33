import { createHash } from 'node:crypto'
import type { Alert } from '@muniment/schema'

/** Several alerts told as one, because a place would get more than it takes. */
export interface Digest {
  /** The same for the same alerts. */
  readonly uid: string
  readonly count: number
  /** Milliseconds since the epoch: of the oldest and of the newest alert. */
  readonly fromMs: number
  readonly toMs: number
  /** By rule and tenant, most first; at most twenty, the rest in the last. */
  readonly groups: readonly DigestGroup[]
}

/** Alerts of one rule and tenant in a digest. */
export interface DigestGroup {
  readonly rule: string
  readonly title: string
  readonly tenant: string
  readonly count: number
  /** OCSF, 0 … 6: the highest among them. */
  readonly severity: number
  /** Of the newest, to look it up. */
  readonly lastUid: string
}

/** What a sink is given: an alert, or a digest of several. */
export type Notice =
  | { readonly kind: 'alert'; readonly alert: Alert }
  | { readonly kind: 'digest'; readonly digest: Digest }

const mostGroups = 20

/** Names a notice for those who must not take it twice. */
export function noticeUid(notice: Notice): string {
  return notice.kind === 'alert' ? notice.alert.metadata.uid : notice.digest.uid
}

/** What a notice is as JSON. */
export function noticeBody(notice: Notice): string {
  return JSON.stringify(notice.kind === 'alert' ? notice.alert : notice.digest)
}

function groupOf(alert: Alert): DigestGroup {
  const { analytic, title } = alert.finding_info
  const { tenant_uid: tenant, uid } = alert.metadata
  return {
    rule: analytic.name ?? analytic.uid,
    title,
    tenant,
    count: 1,
    severity: alert.severity_id,
    lastUid: uid,
  }
}

function merge(one: DigestGroup, two: DigestGroup): DigestGroup {
  return { ...two, count: one.count + two.count, severity: Math.max(one.severity, two.severity) }
}

function bounded(groups: readonly DigestGroup[]): readonly DigestGroup[] {
  const sorted = groups.toSorted((a, b) => b.severity - a.severity || b.count - a.count)
  const rest = sorted.slice(mostGroups - 1)
  if (rest.length < 2) return sorted
  const others = {
    ...rest.reduce(merge),
    rule: 'others',
    title: `${rest.length} other groups`,
    tenant: 'various',
  }
  return [...sorted.slice(0, mostGroups - 1), others]
}

/** The digest of some alerts, at least one. */
export function digestOf(alerts: readonly Alert[]): Digest {
  const groups = new Map<string, DigestGroup>()
  for (const alert of alerts) {
    const group = groupOf(alert)
    const key = JSON.stringify([group.rule, group.tenant])
    const known = groups.get(key)
    groups.set(key, known === undefined ? group : merge(known, group))
  }
  const times = alerts.map(alert => alert.time)
  const uids = alerts.map(alert => alert.metadata.uid).join('\n')
  return {
    uid: `digest-${createHash('sha256').update(uids).digest('hex').slice(0, 32)}`,
    count: alerts.length,
    fromMs: times.reduce((a, b) => Math.min(a, b), Infinity),
    toMs: times.reduce((a, b) => Math.max(a, b), -Infinity),
    groups: bounded([...groups.values()]),
  }
}
