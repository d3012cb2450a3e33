import type { Alert } from '@muniment/schema'

/** OCSF severities by name. */
const severities = { informational: 1, low: 2, medium: 3, high: 4, critical: 5, fatal: 6 } as const

/** Which alerts are wanted; what is left out does not narrow. */
export interface AlertFilter {
  readonly tenant?: string | readonly string[]
  /** Name or id of the rule. */
  readonly rule?: string | readonly string[]
  readonly minSeverity?: keyof typeof severities
}

function isAmong(
  wanted: string | readonly string[] | undefined,
  values: readonly (string | undefined)[],
): boolean {
  if (wanted === undefined) return true
  const list = typeof wanted === 'string' ? [wanted] : wanted
  return values.some(value => value !== undefined && list.includes(value))
}

/** Whether an alert passes the filter. */
export function matchesFilter(filter: AlertFilter, alert: Alert): boolean {
  const { analytic } = alert.finding_info
  const least = filter.minSeverity === undefined ? 0 : severities[filter.minSeverity]
  return (
    alert.severity_id >= least &&
    isAmong(filter.tenant, [alert.metadata.tenant_uid]) &&
    isAmong(filter.rule, [analytic.name, analytic.uid])
  )
}
