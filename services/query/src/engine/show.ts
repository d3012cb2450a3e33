import { createHash } from 'node:crypto'
import type { ParquetReader } from '@muniment/archive'
import { isAppError, topic } from '@muniment/schema'
import type { Catalogue, SegmentEntry } from './catalogue.ts'
import type { EngineContext, Evidence, ShowOptions, ShownRecord } from './contract.ts'

/** Ids of events carry their time; clocks of producer and id may differ by as much. */
const windowMs = 600_000
const concurrency = 8
const uuidv7 = /^(?<high>[0-9a-f]{8})-(?<low>[0-9a-f]{4})-7/u

interface Window {
  readonly fromMs?: number
  readonly toMs?: number
}

function windowOf(id: string): Window {
  const groups = uuidv7.exec(id)?.groups
  if (groups === undefined) return {}
  const timeMs = Number.parseInt(`${groups['high']}${groups['low']}`, 16)
  return { fromMs: timeMs - windowMs, toMs: timeMs + windowMs }
}

interface Found {
  readonly raw: Buffer
  readonly row: number
}

async function findIn(reader: ParquetReader, id: Buffer): Promise<Found | undefined> {
  if (!reader.columns.includes('id')) return undefined
  let before = 0
  for (const [ordinal, group] of reader.rowGroups.entries()) {
    const { min, max } = group.bounds('id') ?? {}
    const isPossible =
      (min === undefined || Buffer.compare(id, min) >= 0) &&
      (max === undefined || Buffer.compare(id, max) <= 0)
    const ids = isPossible ? await reader.values('id', ordinal) : []
    const at = ids.findIndex(value => value?.equals(id) === true)
    const raw = at < 0 ? undefined : await reader.rawAt(ordinal, at)
    if (raw !== undefined) return { raw, row: before + at }
    before += group.rows
  }
  return undefined
}

function evidenceOf({ manifest, segment }: SegmentEntry, { raw, row }: Found): Evidence | undefined {
  const object = manifest.manifest.objects[segment.object]
  if (object === undefined) return undefined
  return {
    manifest: { key: manifest.key, version: manifest.version, sha256: manifest.sha256 },
    object: { key: object.key, version: object.version, sha256: object.sha256 },
    start: segment.start,
    sizeBytes: segment.size_bytes,
    row,
    rows: segment.rows,
    leaf: createHash('sha256').update(Buffer.of(0)).update(raw).digest('hex'),
    root: segment.root,
  }
}

interface Search {
  readonly context: EngineContext
  readonly catalogue: Catalogue
  readonly id: string
  readonly options: ShowOptions
  readonly signal: AbortSignal
}

/** Nothing is found in segments of a tenant whose key was destroyed, or that were removed after their retention. */
async function lookInto(
  { context, signal }: Search,
  { manifest, segment }: SegmentEntry,
  id: Buffer,
): Promise<Found | undefined> {
  try {
    return await findIn(await context.archive.openSegment(manifest, segment, signal), id)
  } catch (error) {
    if (isAppError(error, 'KEY_UNKNOWN') || isAppError(error, 'RETENTION_ENDED')) return undefined
    throw error
  }
}

async function searchSegments(search: Search, window: Window): Promise<ShownRecord | undefined> {
  const { catalogue, signal, options } = search
  const id = Buffer.from(search.id)
  const queue = [topic.events, topic.alerts]
    .flatMap(name => catalogue.find({ topic: name, tenants: options.tenants, ...window }))
    .values()
  let shown: ShownRecord | undefined
  const work = async (): Promise<void> => {
    for (const entry of queue) {
      if (shown !== undefined || signal.aborted) return
      const found = await lookInto(search, entry, id)
      if (found === undefined) continue
      const { topic: name } = entry.manifest.manifest
      shown = {
        topic: name,
        tenant: entry.segment.tenant,
        raw: found.raw,
        evidence: evidenceOf(entry, found),
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return shown
}

function isRecord(value: Uint8Array, id: string): boolean {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()
  if (!text.includes(id)) return false
  try {
    const parsed: { id?: unknown; metadata?: { uid?: unknown } } = JSON.parse(text)
    return parsed.id === id || parsed.metadata?.uid === id
  } catch {
    return false
  }
}

async function searchTail({
  context,
  catalogue,
  id,
  options,
  signal,
}: Search): Promise<ShownRecord | undefined> {
  const { bus } = context.options
  for (const name of bus === undefined ? [] : [topic.events, topic.alerts]) {
    const from = catalogue
      .newest(name)
      .map(({ manifest }) => ({ topic: name, partition: manifest.partition, offset: manifest.next_offset }))
    for await (const record of bus?.read({ topic: name, from, untilEnd: true, signal }) ?? []) {
      const tenant = record.headers['mun_tenant'] ?? 'default'
      const isAllowed = options.tenants?.includes(tenant) !== false
      if (isAllowed && isRecord(record.value, id))
        return { topic: name, tenant, raw: Buffer.from(record.value), evidence: undefined }
    }
  }
  return undefined
}

/** Finds a record by its id: where its time says, then everywhere, then on the bus. */
export async function showRecord(
  context: EngineContext,
  id: string,
  options: ShowOptions,
): Promise<ShownRecord | undefined> {
  const signal = options.signal ?? new AbortController().signal
  const search: Search = { context, catalogue: await context.catalogue(signal), id, options, signal }
  const window = windowOf(id)
  const near = await searchSegments(search, window)
  if (near !== undefined) return near
  const waiting = await searchTail(search)
  if (waiting !== undefined || window.fromMs === undefined) return waiting
  return searchSegments(search, {})
}
