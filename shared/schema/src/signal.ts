import { z } from 'zod'
import { eventKinds, outcomes } from './event.ts'

const severity = z.number().int().min(0).max(6)

/** One content rule that matched: where, never what. `evidence` is a keyed hash of the matched text. */
export const hitSchema = z.object({
  rule: z.string(),
  score: z.number().min(0).max(1),
  severity,
  path: z.string().optional(),
  span: z.tuple([z.number(), z.number()]).optional(),
  evidence: z.string().optional(),
  /** Score of a classifier that agrees; without it the finding was too weak to alarm. */
  model: z.number().min(0).max(1).optional(),
  /** Values that correlations group by or count: numbers, and keyed hashes of everything else. */
  fields: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
})

/** What behaviour rules need of one event; no content. Published on `mcp.signals`, internal to the detector. */
export const signalSchema = z.object({
  event_id: z.string(),
  time: z.iso.datetime(),
  tenant: z.string(),
  kind: z.enum(eventKinds),
  outcome: z.enum(outcomes).optional(),
  method: z.string().optional(),
  target: z.string().optional(),
  /** Verified principal, else the client's label marked `label:`, else `anonymous`. */
  principal: z.string(),
  server: z.string().optional(),
  client: z.string().optional(),
  duration_ms: z.number().optional(),
  request_bytes: z.number().int().optional(),
  response_bytes: z.number().int().optional(),
  hits: z.array(hitSchema),
  /** Hashes of tool definitions seen in a `tools/list` result, by tool name. */
  definitions: z.record(z.string(), z.string()).optional(),
  /** Members of known sets: set, name or keyed hash, path. */
  traits: z.array(z.tuple([z.string(), z.string(), z.string()])).optional(),
  /** What its tool does to a flow of data, and marks of what it hands out and is given: keyed hashes. */
  flow: z
    .object({
      classes: z.array(z.string()),
      out: z.array(z.string()).optional(),
      in: z.array(z.string()).optional(),
    })
    .optional(),
  conversation: z.string().optional(),
  /** Keyed hash, 32 bits, of the arguments of a call, by which different ones are counted. */
  args: z.number().int().optional(),
  /** What the calls of one tool in one window of five minutes add up to, as one partition saw them. */
  tally: z
    .object({
      window: z.number().int(),
      calls: z.number().int(),
      errors: z.number().int(),
      bytes: z.number().int(),
      /** How many calls took 2^(n/2) ms, by n. */
      steps: z.record(z.string(), z.number().int()),
    })
    .optional(),
  /** How far the clock of an interceptor is ahead of the bus. */
  ahead_ms: z.number().optional(),
  /** The interceptor said that its lane ends. */
  ends: z.literal(true).optional(),
  /** Keyed hash of a session, task, state handle or token. */
  handle: z.string().optional(),
  pii: z.record(z.string(), z.number()).optional(),
  gap: z
    .object({
      from_seq: z.number(),
      to_seq: z.number(),
      reason: z.string(),
      count: z.number(),
      claimed: z.literal(true).optional(),
    })
    .optional(),
  /** A record was put aside unjudged: by which stage, with which code, and where it was. */
  refused: z.object({ stage: z.string(), code: z.string(), place: z.string() }).optional(),
  /** Lane and number of the event, to drop duplicates. */
  lane: z.string(),
  seq: z.number().int(),
})

/** What behaviour rules need of one event. */
export type Signal = z.infer<typeof signalSchema>
/** One content rule that matched. */
export type Hit = z.infer<typeof hitSchema>
