import type { Alert } from '@muniment/schema'
import type { Digest, DigestGroup, Notice } from './notice.ts'

const severities = ['Unknown', 'Informational', 'Low', 'Medium', 'High', 'Critical', 'Fatal']
const maxLine = 500
// Names come from callers: line ends would forge lines, and headers.
const unprintable = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]+/gu

/** One line that people read, whatever was in it. */
function oneLine(text: string): string {
  return text.replaceAll(unprintable, ' ').slice(0, maxLine)
}

function severityName(id: number): string {
  return severities[id] ?? 'Unknown'
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}

function alertLines(alert: Alert): readonly string[] {
  const { analytic, attacks = [], types = [] } = alert.finding_info
  const techniques = attacks.flatMap(attack => {
    const technique: unknown = attack['technique']
    const uid =
      typeof technique === 'object' && technique !== null && 'uid' in technique ? technique.uid : undefined
    return typeof uid === 'string' ? [uid] : []
  })
  const [evidence] = alert.evidences
  return [
    alert.message,
    '',
    `Severity   ${severityName(alert.severity_id)}`,
    `Rule       ${analytic.name ?? analytic.uid}${analytic.version === undefined ? '' : ` (${analytic.version})`}`,
    `Tenant     ${alert.metadata.tenant_uid}`,
    `Count      ${alert.count}`,
    `Seen       ${time(alert.finding_info.first_seen_time)} to ${time(alert.finding_info.last_seen_time)}`,
    ...(types.length > 0 ? [`Listed as  ${types.join(', ')}`] : []),
    ...(techniques.length > 0 ? [`ATT&CK     ${techniques.join(', ')}`] : []),
    ...(evidence === undefined ? [] : [`Evidence   ${JSON.stringify(evidence.data)}`]),
    `Alert      ${alert.metadata.uid}`,
  ]
}

function groupLine({ count, title, rule, tenant, severity, lastUid }: DigestGroup): string {
  return `${String(count).padStart(6)}  ${severityName(severity)}  ${title} (${rule}), tenant ${tenant}, last ${lastUid}`
}

function digestLines({ count, fromMs, toMs, groups }: Digest): readonly string[] {
  return [
    `${count} alerts between ${time(fromMs)} and ${time(toMs)}, told as one to keep this place readable:`,
    '',
    ...groups.map(groupLine),
  ]
}

/** A notice in one line: what happened, how bad. */
export function subjectOf(notice: Notice): string {
  if (notice.kind === 'digest') return `${notice.digest.count} alerts`
  return oneLine(`[${severityName(notice.alert.severity_id)}] ${notice.alert.message}`)
}

/** A notice for people, in plain text, one fact a line. */
export function textOf(notice: Notice): string {
  const lines = notice.kind === 'alert' ? alertLines(notice.alert) : digestLines(notice.digest)
  return lines.map(oneLine).join('\n')
}
