import { hash } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { z } from 'zod'

/** Largest manifest that is read: bounds what a hostile store can make us parse. */
const maxManifestBytes = 64 * 1024 * 1024

const count = z.int().nonnegative()
const digest = z.string().regex(/^[0-9a-f]{64}$/u)
const span = z.strictObject({ min_ms: count, max_ms: count })
const ranges = z.array(z.tuple([count, count]).readonly()).readonly()

const stored = z.strictObject({
  key: z.string(),
  version: z.string(),
  sha256: digest,
  size_bytes: count,
  /** Until when it was to be kept, milliseconds since the epoch: gone before, it is lost; gone after, it was lawful to remove. */
  retain_until_ms: count.optional(),
})

const segment = z.strictObject({
  tenant: z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/u),
  /** Index in `objects`; its bytes from `start` on. Segments of one object follow each other without a gap. */
  object: count,
  start: count,
  size_bytes: count,
  sha256: digest,
  footer_bytes: count,
  rows: count,
  /** RFC 6962 root over the segment's rows, hex. */
  root: digest,
  time: span.nullable(),
  key_generation: z.string(),
  wrapped_key: z.string(),
  /** Bloom filter over values of columns, keyed by the segment's data key, base64url; none where there are too many values. */
  filter: z
    .string()
    .regex(/^[A-Za-z0-9_-]+$/u)
    .optional(),
})

const laneCut = z.strictObject({ lane: z.string(), ranges, declared: ranges, missing: ranges })

const watermark = z.strictObject({
  lane: z.string(),
  next: count,
  missing: ranges,
  declared: ranges,
  alive_ms: z.int(),
  seen_ms: count,
  ended: z.boolean(),
})

const manifestSchema = z.strictObject({
  v: z.literal(1),
  topic: z.string(),
  partition: count,
  first_offset: count,
  /** The next manifest's `first_offset`: every offset below belongs to this cut or an earlier one. */
  next_offset: count,
  /** SHA-256 of the previous manifest's bytes, hex; `null` at offset 0. */
  previous: digest.nullable(),
  clocks: z.strictObject({ event: span.nullable(), append: span.nullable(), sealed_ms: count }),
  counts: z.strictObject({ read: count, archived: count, duplicates: count }),
  /** Offsets of the range at which the bus had no record. */
  holes: ranges,
  lanes: z.array(laneCut).readonly(),
  watermarks: z.array(watermark).readonly(),
  recent_ids: z.array(z.string()).readonly(),
  /** Data objects, each with its leaf hashes: those of its segments, one after the other. */
  objects: z.array(stored.extend({ tree: stored })).readonly(),
  /** Large bodies that records of this cut refer to; left out where there are none. An earlier cut may have stored them. */
  bodies: z.array(stored).min(1).readonly().optional(),
  segments: z.array(segment).readonly(),
})

/** The description of a cut; creating it is the commit. */
export type Manifest = z.infer<typeof manifestSchema>

/** One tenant's encrypted Parquet file in a cut. */
export type Segment = z.infer<typeof segment>

/** An object as a manifest pins it. */
export type StoredObject = z.infer<typeof stored>

/** A manifest as it stands in the store. */
export interface CommittedManifest {
  readonly key: string
  readonly version: string
  /** Of the exact bytes, hex. */
  readonly sha256: string
  readonly manifest: Manifest
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Canonical JSON (RFC 8785; all numbers are integers): one manifest has one sequence of bytes. */
export function manifestBytes(manifest: Manifest): Buffer {
  return Buffer.from(JSON.stringify(manifest, sorted))
}

/** SHA-256 in hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

function malformed(key: string, why: string, cause?: unknown): AppError {
  return new AppError('ARCHIVE_DAMAGED', `manifest ${key} ${why}`, { cause, details: { key } })
}

function parseJson(bytes: Buffer): unknown {
  const parsed: unknown = JSON.parse(bytes.toString())
  return parsed
}

/** Reads a manifest; refuses anything that is not exactly the canonical bytes of one. */
export function parseManifest(key: string, bytes: Buffer): Manifest {
  if (bytes.length > maxManifestBytes) throw malformed(key, 'is too large')
  let manifest: Manifest
  try {
    manifest = manifestSchema.parse(parseJson(bytes))
  } catch (error) {
    throw malformed(key, 'is not a manifest', error)
  }
  if (!manifestBytes(manifest).equals(bytes)) throw malformed(key, 'is not in canonical form')
  return manifest
}
