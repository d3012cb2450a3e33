import { createFilter, filterValues } from './format/filter.ts'
import { leafHashes, rootOf } from './format/merkle.ts'
import { sha256Hex, type Segment } from './format/manifest.ts'
import type { DataKey, SegmentKeys } from '@muniment/keys'
import { createJoint } from './joint.ts'
import { encryptParquet } from './parquet/encrypt.ts'
import { writeParquet, type Row } from './parquet/write.ts'

/** A row, and the record that it stands for where that is more than its `raw`. */
export interface ArchivedRow extends Row {
  readonly record?: Uint8Array
}

/** One tenant's records of a cut. */
export interface TenantRows {
  readonly tenant: string
  readonly rows: readonly ArchivedRow[]
  readonly time: { readonly min_ms: number; readonly max_ms: number } | null
}

/** Segments that lie in one object, one after the other. */
export interface SealedObject {
  readonly bytes: Buffer
  /** Leaf hashes of the rows of all segments, one after the other. */
  readonly leaves: Buffer
  readonly entries: readonly Omit<Segment, 'object'>[]
}

/** What sealing the segments of a cut needs. */
export interface SealContext {
  readonly topic: string
  /** What their keys are bound to, by `keyContext`. */
  readonly bound: string
  readonly keys: SegmentKeys
  readonly randomBytes: (length: number) => Buffer
}

/** Records and the key that they are to be sealed with. */
export interface KeyedRows extends TenantRows {
  readonly dataKey: DataKey
}

/** Gives every tenant's records a key: before anything is stored, since here it is that sealing may fail. */
export async function keyAll(
  inputs: readonly TenantRows[],
  { bound, keys }: SealContext,
): Promise<readonly KeyedRows[]> {
  const keyed: KeyedRows[] = []
  for (const input of inputs) {
    keyed.push({ ...input, dataKey: await keys.createDataKey(input.tenant, bound) })
  }
  return keyed
}

interface SealedSegment {
  readonly bytes: Buffer
  readonly leaves: Buffer
  readonly entry: Omit<Segment, 'object' | 'start'>
}

/** Encrypts one tenant's records under a key of their own. */
async function sealSegment(input: KeyedRows, context: SealContext): Promise<SealedSegment> {
  const { topic, bound, randomBytes } = context
  const { tenant, rows, time, dataKey } = input
  const { key, wrapped, generation } = dataKey
  const written = await writeParquet(topic, rows)
  const keyMetadata = Buffer.from(JSON.stringify({ v: 1, tenant, context: bound, generation, wrapped }))
  const file = encryptParquet(written.bytes, { key, keyMetadata, randomBytes })
  const leaves = leafHashes(rows.map(({ record, raw }) => record ?? raw))
  const filter = createFilter(await filterValues(written), key)
  const entry = {
    tenant,
    size_bytes: file.bytes.length,
    sha256: sha256Hex(file.bytes),
    footer_bytes: file.footerBytes,
    rows: rows.length,
    root: rootOf(leaves).toString('hex'),
    time,
    key_generation: generation,
    wrapped_key: wrapped,
    ...(filter !== undefined && { filter }),
  }
  return { bytes: file.bytes, leaves, entry }
}

/** More than a segment of one record takes beside that record. */
const segmentOverheadBytes = 16 * 1024

function expectedBytes(inputs: readonly KeyedRows[]): number {
  const raw = inputs.flatMap(({ rows }) => rows.map(row => row.raw.byteLength))
  return raw.reduce((sum, length) => sum + length, inputs.length * segmentOverheadBytes)
}

/**
 * Encrypts the records of tenants whose segments share an object, each under its own key. No more than the object and one segment is in memory: ten
 * thousand segments beside the object that they make would take as much again.
 */
export async function sealTogether(
  inputs: readonly KeyedRows[],
  context: SealContext,
): Promise<SealedObject> {
  const entries: Omit<Segment, 'object'>[] = []
  const bytes = createJoint(inputs.length === 1 ? 0 : expectedBytes(inputs))
  const leaves = createJoint(0)
  for (const input of inputs) {
    const sealed = await sealSegment(input, context)
    entries.push({ ...sealed.entry, start: bytes.length() })
    bytes.add(sealed.bytes)
    leaves.add(sealed.leaves)
  }
  return { bytes: bytes.take(), leaves: leaves.take(), entries }
}
