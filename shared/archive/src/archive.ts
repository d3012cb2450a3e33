import type { KeyObject } from 'node:crypto'
import { AppError, isAppError } from '@muniment/schema'
import type { CommittedManifest, Segment } from './format/manifest.ts'
import { manifestKey, parsePath } from './format/paths.ts'
import { bodiesOf, noSuchBody, withBodies } from './whole-records.ts'
import { keyContext, type SegmentOpener } from './keys.ts'
import { listManifests, newestManifest, readManifest, type ManifestQuery } from './manifests.ts'
import { openParquet, type ByteSource, type ParquetReader } from './parquet/read.ts'
import type { Store } from './store/store.ts'

/** One archived record and where it stands. */
interface FoundRecord {
  /** The exact bytes. */
  readonly raw: Buffer
  readonly manifest: CommittedManifest
  readonly segment: Segment
  /** Position in the segment, from 0: the index of its leaf in the segment's tree. */
  readonly row: number
}

/** What to look for. */
interface FindOptions {
  readonly topic: string
  /** Only these tenants' segments are opened. */
  readonly tenants?: readonly string[]
  /** Only segments whose events overlap this time, milliseconds since the epoch. */
  readonly fromMs?: number
  readonly toMs?: number
  readonly signal?: AbortSignal
}

/** Reads what was archived. */
export interface Archive {
  readonly manifests: (topic: string, query?: ManifestQuery) => AsyncIterable<CommittedManifest>
  readonly newest: (topic: string, partition: number) => Promise<CommittedManifest | undefined>
  /** The manifest that names a data object, by the object's key; `undefined` where none does. */
  readonly manifestOf: (objectKey: string) => Promise<CommittedManifest | undefined>
  /** The key that opens a segment with any tool. Throws `KEY_UNKNOWN` where the tenant's key is gone. */
  readonly dataKey: (found: CommittedManifest, segment: Segment) => Promise<KeyObject>
  /** Throws `KEY_UNKNOWN` where the tenant's key is gone, `RETENTION_ENDED` where the object was removed after its time, `ARCHIVE_DAMAGED` where the bytes are not the archived ones. */
  readonly openSegment: (
    found: CommittedManifest,
    segment: Segment,
    signal?: AbortSignal,
  ) => Promise<ParquetReader>
  /** The record with this id, if it is there. */
  readonly find: (id: string, options: FindOptions) => Promise<FoundRecord | undefined>
}

/** What an archive is read with. */
export interface ArchiveOptions {
  readonly store: Store
  readonly keys: SegmentOpener
}

function gone(key: string, untilMs = Infinity): AppError {
  const code = untilMs < Date.now() ? 'RETENTION_ENDED' : 'ARCHIVE_DAMAGED'
  return new AppError(code, `object ${key} is gone`, { details: { key } })
}

/** The bytes of one segment: an object, or a range of one. */
function segmentSource(
  store: Store,
  segment: Segment,
  at: {
    readonly key: string
    readonly version: string
    readonly untilMs: number | undefined
    readonly signal?: AbortSignal
  },
): ByteSource {
  const { key, version, untilMs, signal } = at
  return {
    sizeBytes: segment.size_bytes,
    async read(start, end) {
      const range = { start: segment.start + start, end: segment.start + end }
      const bytes = await store.get(key, { version, range, ...(signal === undefined ? {} : { signal }) })
      if (bytes === undefined) throw gone(key, untilMs)
      return bytes
    },
  }
}

async function manifestOf(
  { store }: ArchiveOptions,
  objectKey: string,
): Promise<CommittedManifest | undefined> {
  const path = parsePath(objectKey)
  if (path?.kind !== 'segment' && path?.kind !== 'bundle') return undefined
  const key = manifestKey(path.topic, path.partition, path.first)
  if ((await store.head(key)) === undefined) return undefined
  const found = await readManifest(store, key)
  return found.manifest.objects.some(object => object.key === objectKey) ? found : undefined
}

function dataKey(
  { keys }: ArchiveOptions,
  { manifest }: CommittedManifest,
  segment: Segment,
): Promise<KeyObject> {
  return keys.openDataKey(segment.tenant, keyContext(manifest), segment.wrapped_key)
}

async function openSegment(
  { store, keys }: ArchiveOptions,
  found: CommittedManifest,
  at: { readonly segment: Segment; readonly signal: AbortSignal | undefined },
): Promise<ParquetReader> {
  const { segment, signal } = at
  const object = found.manifest.objects[segment.object]
  if (object === undefined) throw gone(`number ${segment.object}`)
  const key = await dataKey({ store, keys }, found, segment)
  const { key: objectKey, version, retain_until_ms: untilMs } = object
  const place = { key: objectKey, version, untilMs, ...(signal === undefined ? {} : { signal }) }
  const reader = await openParquet(segmentSource(store, segment, place), key, segment.footer_bytes)
  const bodies = bodiesOf(found.manifest, segment.tenant)
  return withBodies(reader, async name => {
    const body = bodies.get(name)
    if (body === undefined) throw noSuchBody(name)
    const bytes = await store.get(body.key, { version: body.version, ...(signal && { signal }) })
    if (bytes === undefined) throw gone(body.key, body.retain_until_ms)
    return bytes
  })
}

function mayHold(segment: Segment, options: FindOptions): boolean {
  const { tenants, fromMs = -Infinity, toMs = Infinity } = options
  if (tenants !== undefined && !tenants.includes(segment.tenant)) return false
  return segment.time === null || (segment.time.max_ms >= fromMs && segment.time.min_ms <= toMs)
}

async function findInSegment(
  reader: ParquetReader,
  id: Buffer,
): Promise<{ raw: Buffer; row: number } | undefined> {
  if (!reader.columns.includes('id')) return undefined
  let before = 0
  for (const [ordinal, group] of reader.rowGroups.entries()) {
    const ids = await reader.values('id', ordinal)
    const at = ids.findIndex(value => value?.equals(id) === true)
    const raw = at < 0 ? undefined : await reader.rawAt(ordinal, at)
    if (raw !== undefined) return { raw, row: before + at }
    before += group.rows
  }
  return undefined
}

/** What was removed after its time is not there to be found. */
async function openUnlessExpired(
  archive: Pick<Archive, 'openSegment'>,
  found: CommittedManifest,
  { segment, signal }: { readonly segment: Segment; readonly signal: AbortSignal | undefined },
): Promise<ParquetReader | undefined> {
  try {
    return await archive.openSegment(found, segment, signal)
  } catch (error) {
    if (isAppError(error, 'RETENTION_ENDED')) return undefined
    throw error
  }
}

async function find(
  archive: Pick<Archive, 'manifests' | 'openSegment'>,
  id: string,
  options: FindOptions,
): Promise<FoundRecord | undefined> {
  const { topic, signal } = options
  for await (const found of archive.manifests(topic, signal === undefined ? {} : { signal })) {
    for (const segment of found.manifest.segments) {
      if (!mayHold(segment, options)) continue
      const reader = await openUnlessExpired(archive, found, { segment, signal })
      const record = reader && (await findInSegment(reader, Buffer.from(id)))
      if (record !== undefined) return { ...record, manifest: found, segment }
    }
  }
  return undefined
}

/** Opens an archive for reading; nothing is read before it is asked for. */
export function openArchive(options: ArchiveOptions): Archive {
  const reading: Omit<Archive, 'find'> = {
    manifests: (topic, query = {}) => listManifests(options.store, topic, query),
    newest: (topic, partition) => newestManifest(options.store, topic, partition),
    manifestOf: objectKey => manifestOf(options, objectKey),
    dataKey: (found, segment) => dataKey(options, found, segment),
    openSegment: (found, segment, signal) => openSegment(options, found, { segment, signal }),
  }
  return { ...reading, find: (id, wanted) => find(reading, id, wanted) }
}
