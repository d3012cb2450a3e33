import { z } from 'zod'

/** What a decision may be about. */
export const decisionScopes = [
  'tenant',
  'principal',
  'client',
  'server',
  'tool',
  'ingest_key',
  'sessions',
  'fleet',
] as const

/** What interceptors are to do, mildest first; `rotate` is about keys, `end` about sessions, `share` about limits. */
export const decisionActions = [
  'observe',
  'throttle',
  'require_approval',
  'quarantine',
  'block',
  'rotate',
  'end',
  'share',
] as const

const action = z.enum(decisionActions)

/** A control decision on `mcp.control`, keyed by {@link decisionKey}; interceptors act on it only if the signature verifies and it has not expired. */
export const decisionSchema = z.object({
  v: z.literal(1),
  scope: z.enum(decisionScopes),
  /** A principal as verified (else `label:` and the client's name, else `anonymous`), a tool `name` or `server/name`, a server, a client. */
  value: z.string().min(1).max(4096),
  /** Only calls of this tenant; absent = of every tenant. */
  tenant: z.string().max(63).optional(),
  action,
  /** For `observe`: what shadow mode kept back. */
  would: action.optional(),
  rate_per_minute: z.number().positive().max(1e6).optional(),
  /** For `rotate`: the new ingest public key, `<kid>.<base64url>`. */
  public_key: z.string().optional(),
  /** For `share`: lanes of the processes that may each spend one part in `of` of a limit. */
  members: z.array(z.string().max(256)).max(64).optional(),
  /** For `share`: how many processes divide a limit among them. */
  of: z.number().int().positive().optional(),
  reason: z.string().max(1024),
  rule: z.string().optional(),
  alert_id: z.string().optional(),
  /** How many times in a row the rule has acted on the same value. */
  level: z.number().int().positive().optional(),
  issued: z.iso.datetime(),
  expires: z.iso.datetime(),
  /** Grows with every decision for the same scope and value; an older one is stale. */
  version: z.number().int().nonnegative(),
  /** Ed25519 over the canonical JSON of the other fields, base64url. */
  signature: z.string().max(128),
})

/** A control decision: what interceptors are to do about one scope and value. */
export type Decision = z.infer<typeof decisionSchema>

/** What a decision is about; also its record's key: `scope/value`, or `scope@tenant/value` where it is about one tenant's calls. */
export function decisionKey({ scope, value, tenant }: Pick<Decision, 'scope' | 'value' | 'tenant'>): string {
  return tenant === undefined ? `${scope}/${value}` : `${scope}@${tenant}/${value}`
}
