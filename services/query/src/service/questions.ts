import { z } from 'zod'
import { AppError } from '@muniment/schema'
import type { Filters } from '../engine/request.ts'
import { answerFormats } from '../formats/answer.ts'

// What callers may ask, for every face that answers: the API document and the tools' schemas are made of these.

const maxSqlLength = 32_768
const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Bounds that callers can choose within. */
const most = { rows: 1_000_000, timeoutMs: 60_000 } as const

const text = z.string().min(1).max(2048)

const when = z
  .string()
  .max(40)
  .regex(/^(?:\d{1,6}[smhd]|\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d))?)$/u)
  .describe('A duration before now (30m, 2h, 7d) or an instant (2026-11-20T08:00Z)')

/** Conditions on the rows of one view. */
export const filtersSchema = z
  .strictObject({
    view: z.enum(['events', 'alerts', 'audit', 'control']).optional(),
    since: when.optional(),
    until: when.optional(),
    kind: text.optional().describe('call, notification, rejected, gap, admin, …'),
    except_kind: text.optional().describe('every kind but this one, as in heartbeat'),
    outcome: text
      .optional()
      .describe('ok, tool_error, rpc_error, denied, cancelled, unanswered, input_required, task'),
    method: text.optional().describe('as in tools/call'),
    target: text.optional().describe('tool, prompt or URI'),
    principal: text.optional().describe('who called, as verified'),
    server: text.optional().describe('name of the observed server'),
    session: text.optional(),
    pii: text.optional().describe('a kind of personal data that was masked, as in EMAIL'),
  })
  .describe('Conditions that must all hold; the newest rows come first')

/** SQL of a caller. */
export const sqlSchema = z
  .string()
  .min(1)
  .max(maxSqlLength)
  .describe("One SELECT in DuckDB's SQL over the views events, alerts, audit and control")

/** A question as it comes over the wire. */
export const questionSchema = z
  .strictObject({
    sql: sqlSchema.optional(),
    filters: filtersSchema.optional(),
    limit: z.int().min(1).max(most.rows).default(100).describe('Most rows'),
    tail: z.boolean().default(true).describe('Whether rows that are not archived yet count'),
    timeout_ms: z.int().min(1).max(most.timeoutMs).optional(),
    format: z.enum(answerFormats).default('json'),
  })
  .describe('SQL or filters, not both; without either the newest events')

/** A question, read. */
export type Question = z.output<typeof questionSchema>

/** Id of an event or alert. */
export const idSchema = z.string().regex(/^[\x21-\x7e]{1,200}$/u)

function momentMs(written: string | undefined, nowMs: number): number | undefined {
  if (written === undefined) return undefined
  const factor = Object.entries(unitMs).find(([unit]) => written.endsWith(unit))?.[1]
  const timeMs = factor === undefined ? Date.parse(written) : nowMs - Number.parseInt(written, 10) * factor
  if (Number.isFinite(timeMs) && Math.abs(timeMs) < 8.64e15) return timeMs
  throw new AppError('INVALID_INPUT', `${written} is no time.`)
}

/** Filters as the engine takes them. Throws `INVALID_INPUT` for a day that no calendar has. */
export function filtersOf({ since, until, ...rest }: z.output<typeof filtersSchema>, nowMs: number): Filters {
  const { view, except_kind: exceptKind, ...texts } = rest
  return {
    ...texts,
    ...(exceptKind !== undefined && { exceptKind }),
    ...(view !== undefined && { view }),
    sinceMs: momentMs(since, nowMs),
    untilMs: momentMs(until, nowMs),
  }
}

/** What `schema` makes of a value from outside. Throws `INVALID_INPUT` with the place that cannot be used, never with what stood there. */
export function readInput<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place = issue === undefined || issue.path.length === 0 ? 'The request' : issue.path.join('.')
  const names = issue?.code === 'unrecognized_keys' ? `has names that are not known` : (issue?.message ?? '')
  throw new AppError('INVALID_INPUT', `${place.slice(0, 100)} cannot be used: ${names.slice(0, 300)}.`)
}
