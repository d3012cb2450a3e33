import { z } from 'zod'

/** The OCSF release whose class 2004 (Detection Finding) an alert is: https://schema.ocsf.io/1.8.0/classes/detection_finding */
export const ocsfVersion = '1.8.0'

const observable = z.object({ name: z.string(), type_id: z.number().int(), value: z.string().optional() })

/** An alert on `mcp.alerts`: an OCSF Detection Finding (2004). Never carries matched text. */
export const alertSchema = z.object({
  class_uid: z.literal(2004),
  category_uid: z.literal(2),
  activity_id: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  type_uid: z.number().int(),
  /** Milliseconds since the epoch: when the newest event that belongs to it happened. */
  time: z.number().int(),
  severity_id: z.number().int().min(0).max(6),
  status_id: z.number().int(),
  is_alert: z.literal(true),
  confidence_score: z.number().min(0).max(100).optional(),
  risk_score: z.number().min(0).max(100).optional(),
  message: z.string(),
  metadata: z.object({
    /** The same for the same finding, however often it is computed. */
    uid: z.string(),
    version: z.literal(ocsfVersion),
    product: z.object({
      name: z.literal('Muniment'),
      vendor_name: z.literal('Muniment'),
      version: z.string(),
    }),
    correlation_uid: z.string().optional(),
    tenant_uid: z.string(),
  }),
  finding_info: z.object({
    uid: z.string(),
    title: z.string(),
    desc: z.string().optional(),
    /** Entries of public lists that it falls under, such as `OWASP MCP05`. */
    types: z.array(z.string()).optional(),
    analytic: z.object({
      uid: z.string(),
      name: z.string().optional(),
      type_id: z.number().int(),
      version: z.string().optional(),
    }),
    first_seen_time: z.number().int(),
    last_seen_time: z.number().int(),
    attacks: z.array(z.record(z.string(), z.unknown())).optional(),
    related_events: z.array(z.object({ uid: z.string() })).optional(),
  }),
  actor: z.object({ user: z.object({ uid: z.string() }), app_name: z.string().optional() }).optional(),
  evidences: z.array(z.object({ data: z.record(z.string(), z.unknown()) })),
  observables: z.array(observable),
  count: z.number().int(),
  unmapped: z.object({
    dedup_key: z.string(),
    /** Names the whole of the rules in force, as `muniment rules list` shows it. */
    policy_digest: z.string().optional(),
    source: z.object({ lane: z.string(), seq: z.number().int() }),
  }),
})

/** An OCSF Detection Finding (2004) about MCP traffic. */
export type Alert = z.infer<typeof alertSchema>
