import { topic } from '@muniment/schema'
import { z } from 'zod'

/** A day in milliseconds. */
export const dayMs = 86_400_000

const kinds = { events: topic.events, alerts: topic.alerts, control: topic.control } as const

/** The name of a class stands in keys of the store. */
const nameForm = /^[a-z0-9][a-z0-9-]{0,30}$/u
const maxDays = 36_500

/** The class of everything that no other class takes. */
const otherwise = 'default'

const retentionClass = z.strictObject({
  name: z
    .string()
    .regex(nameForm, 'small letters, digits and hyphens')
    .refine(name => name !== otherwise, `\`${otherwise}\` is what retention.days is for`),
  /** A tenant, or the beginning of its name before `*`; all where left out. */
  tenant: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_.-]{0,62}\*?$/u, 'the name of a tenant, or its beginning and `*`')
    .optional(),
  kind: z.enum(['events', 'alerts', 'control']).optional(),
  days: z.int().min(1).max(maxDays),
})

/** The section `retention_classes` of the configuration. */
export const retentionSectionSchema = z.array(retentionClass).min(1).max(64).readonly()

/** How long what of whom is kept; the first class that fits decides. */
export type RetentionClasses = z.infer<typeof retentionSectionSchema>

/** What a class means for an object. */
export interface Retention {
  readonly name: string
  /** `undefined`: not locked at all. */
  readonly days: number | undefined
}

/** What decides about retention. */
export interface RetentionOptions {
  /** How long the store keeps what no class takes; nothing is locked where left out, whatever the classes say. */
  readonly retentionDays?: number
  readonly retentionClasses?: RetentionClasses
}

function fits({ tenant, kind }: RetentionClasses[number], of: { topic: string; tenant: string }): boolean {
  if (kind !== undefined && kinds[kind] !== of.topic) return false
  if (tenant === undefined) return true
  return tenant.endsWith('*') ? of.tenant.startsWith(tenant.slice(0, -1)) : of.tenant === tenant
}

/** The class of a tenant's records in a topic. */
export function retentionOf(
  { retentionDays, retentionClasses = [] }: RetentionOptions,
  of: { readonly topic: string; readonly tenant: string },
): Retention {
  const found = retentionDays === undefined ? undefined : retentionClasses.find(each => fits(each, of))
  return found ?? { name: otherwise, days: retentionDays }
}

/** How long manifests and log are kept: as long as anything that they describe. */
export function longestRetentionDays({
  retentionDays,
  retentionClasses = [],
}: RetentionOptions): number | undefined {
  if (retentionDays === undefined) return undefined
  return retentionClasses.reduce((longest, { days }) => Math.max(longest, days), retentionDays)
}

/** Until when something that is stored at `fromMs` is locked. */
export function lockedUntil(fromMs: number, days: number | undefined): Date | undefined {
  return days === undefined ? undefined : new Date(fromMs + days * dayMs)
}
