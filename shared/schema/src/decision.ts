import { z } from 'zod'

/** A control decision on `mcp.control`, keyed `scope/value`; interceptors act on it only if the signature verifies and it has not expired. */
export const decisionSchema = z.object({
  v: z.literal(1),
  scope: z.enum(['tenant', 'principal', 'client', 'server', 'tool', 'ingest_key']),
  value: z.string(),
  action: z.enum(['observe', 'throttle', 'require_approval', 'block', 'quarantine', 'rotate']),
  rate_per_minute: z.number().positive().optional(),
  /** For `rotate`: the new ingest public key, `<kid>.<base64url>`. */
  public_key: z.string().optional(),
  reason: z.string(),
  rule: z.string().optional(),
  alert_id: z.string().optional(),
  issued: z.iso.datetime(),
  expires: z.iso.datetime(),
  /** Grows with every decision for the same scope and value; an older one is stale. */
  version: z.number().int().nonnegative(),
  /** Ed25519 over the canonical JSON of the other fields, base64url. */
  signature: z.string(),
})

/** A control decision: what interceptors are to do about one scope and value. */
export type Decision = z.infer<typeof decisionSchema>
