import { z } from 'zod'

// What callers get, as documented: tests hold real answers against these.

const hash = z.string().regex(/^[0-9a-f]{64}$/u)
const place = z.object({ key: z.string(), version: z.string(), sha256: hash })
const count = z.number().min(0)

const figuresSchema = z
  .object({
    rows: count,
    isTruncated: z.boolean().describe('Whether a limit cut the rows'),
    segments: count,
    segmentsFetched: count,
    segmentsSpared: count,
    segmentsErased: count,
    requests: count,
    bytes: count,
    tailRows: count.describe('Rows that are not archived yet'),
    isTailComplete: z.boolean(),
    elapsedMs: count,
  })
  .describe('What answering took')

/** An answer in the format `json`. */
export const answerSchema = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.array(z.unknown())).describe('Values in the order of the columns'),
  figures: figuresSchema,
})

/** One record. */
export const recordSchema = z.object({
  topic: z.string(),
  tenant: z.string(),
  record: z.unknown().describe('The record, parsed'),
  raw: z.string().describe('The exact text whose hash is in the archive'),
  evidence: z
    .object({
      manifest: place,
      object: place,
      start: count,
      sizeBytes: count,
      row: count,
      rows: count,
      leaf: hash,
      root: hash,
    })
    .nullable()
    .describe('Where it stands; null while it is not archived'),
})

/** A verification. */
export const verdictSchema = z.object({
  ok: z.boolean(),
  problems: z.record(z.string(), count).describe('Findings that break the evidence, by kind'),
  notes: z.record(z.string(), count),
  covered: z.array(
    z.object({
      topic: z.string(),
      partition: count,
      first_offset: count,
      next_offset: count,
      tenants: z.array(
        z.object({
          tenant: z.string(),
          records: count,
          min_ms: z.number().optional(),
          max_ms: z.number().optional(),
        }),
      ),
    }),
  ),
  log: z
    .object({ origin: z.string(), treeSize: count, root: z.string() })
    .optional()
    .describe('The checkpoint that anchors what is covered'),
})

/** A refusal. */
export const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string() }),
})
