import { createFilter, filterValues } from './format/filter.ts'
import { leafHashes, rootOf } from './format/merkle.ts'
import { sha256Hex, type Segment } from './format/manifest.ts'
import type { SegmentKeys } from '@muniment/keys'
import { keyContext } from './keys.ts'
import { encryptParquet } from './parquet/encrypt.ts'
import { bufferSource, openParquet } from './parquet/read.ts'
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

/** The cut that segments belong to. */
interface SegmentPlace {
  readonly topic: string
  readonly partition: number
  readonly first_offset: number
  readonly next_offset: number
}

/** A segment before it has a place in an object. */
export interface SealedSegment {
  readonly bytes: Buffer
  /** Leaf hashes of the rows, one after the other. */
  readonly leaves: Buffer
  readonly entry: Omit<Segment, 'object' | 'start'>
}

/** What sealing needs. */
export interface SealContext {
  readonly place: SegmentPlace
  readonly keys: SegmentKeys
  readonly randomBytes: (length: number) => Buffer
}

/** The same bytes in memory of their own: a small buffer that is kept would keep a slab that it shares with thousands that are not. */
function apart(bytes: Buffer): Buffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes
  const own = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(own)
  return own
}

/** Encrypts one tenant's records under a key of their own. */
async function sealSegment(input: TenantRows, context: SealContext): Promise<SealedSegment> {
  const { tenant, rows, time } = input
  const { place, keys, randomBytes } = context
  const bound = keyContext(place)
  const plain = await writeParquet(place.topic, rows)
  const { key, wrapped, generation } = await keys.createDataKey(tenant, bound)
  const keyMetadata = Buffer.from(JSON.stringify({ v: 1, tenant, context: bound, generation, wrapped }))
  const file = encryptParquet(plain, { key, keyMetadata, randomBytes })
  const leaves = leafHashes(rows.map(({ record, raw }) => record ?? raw))
  const reader = await openParquet(bufferSource(file.bytes), key, file.footerBytes)
  const filter = createFilter(await filterValues(reader), key)
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
  return { bytes: apart(file.bytes), leaves: apart(leaves), entry }
}

/** Encrypts the records of every tenant of a cut. */
export async function sealSegments(
  inputs: readonly TenantRows[],
  context: SealContext,
): Promise<readonly SealedSegment[]> {
  const sealed: SealedSegment[] = []
  for (const input of inputs) sealed.push(await sealSegment(input, context))
  return sealed
}
