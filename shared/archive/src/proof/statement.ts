import { z } from 'zod'
import { hashBytes } from '../format/merkle.ts'

/** What travels beside the tlog-proof, in its `extra` line: from the log's entry down to what is proven. */

const count = z.int().nonnegative()
const hash = z.string().refine(text => /^[0-9a-f]{64}$/u.test(text))
const path = z.array(hash).max(64).readonly()

const recordStatement = z.strictObject({
  v: z.literal(1),
  kind: z.literal('record'),
  /** The exact bytes of the manifest, which are ASCII or UTF-8 JSON. */
  manifest: z.string(),
  /** Index of the segment in the manifest, of the record in the segment. */
  segment: count,
  row: count,
  leaf: hash,
  path,
  /** The exact record, base64, where it is disclosed. */
  record: z.string().optional(),
})

const laneStatement = z.strictObject({
  v: z.literal(1),
  kind: z.literal('lane'),
  lane: z.string().min(1),
  from: count,
  to: count,
  /** Manifests that together list every number, each with its own way to the root; the tlog-proof itself is that of the last. */
  cuts: z
    .array(z.strictObject({ manifest: z.string(), index: count, path }))
    .min(1)
    .readonly(),
})

const statementSchema = z.discriminatedUnion('kind', [recordStatement, laneStatement])

/** That a record stands at a place of a segment. */
export type RecordStatement = z.infer<typeof recordStatement>

/** That every number of a range of a lane stands in the archive. */
export type LaneStatement = z.infer<typeof laneStatement>

/** What a proof states. */
export type Statement = z.infer<typeof statementSchema>

/** Reads a statement; `undefined` where it is not exactly one. */
export function parseStatement(bytes: Buffer): Statement | undefined {
  try {
    const parsed: unknown = JSON.parse(bytes.toString())
    const statement = statementSchema.parse(parsed)
    return formatStatement(statement).equals(bytes) ? statement : undefined
  } catch {
    return undefined
  }
}

/** The one way to write a statement. */
export function formatStatement(statement: Statement): Buffer {
  return Buffer.from(JSON.stringify(statement))
}

/** Hashes of a path as bytes. */
export function pathOf(hashes: readonly string[]): readonly Buffer[] {
  return hashes.map(text => Buffer.from(text, 'hex'))
}

/** Leaf hashes that stand one after the other, as single ones. */
export function splitHashes(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: bytes.length / hashBytes }, (_, at) =>
    bytes.subarray(at * hashBytes, (at + 1) * hashBytes),
  )
}
