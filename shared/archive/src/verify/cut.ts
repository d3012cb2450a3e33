import { isAppError } from '@muniment/schema'
import type { Place } from '../format/lanes.ts'
import { sha256Hex, type CommittedManifest, type Segment, type StoredObject } from '../format/manifest.ts'
import { hashBytes } from '../format/merkle.ts'
import { countRanges } from '../format/ranges.ts'
import { readManifest } from '../manifests.ts'
import { placeOf } from './copies.ts'
import { objectName } from './leftovers.ts'
import { positionOf, report, type CutContext, type Opening, type Working } from './cut-working.ts'
import { noFindings, type Finding, type Findings } from './report.ts'
import { checkPart } from './segment.ts'

/** One manifest, checked by itself. */
export interface CheckedCut extends Findings {
  readonly key: string
  /** `undefined` where it could not be read. */
  readonly committed: CommittedManifest | undefined
  /** Places of the records, where contents were checked. */
  readonly places: readonly Place[] | undefined
  readonly bytes: number
  readonly records: number
  readonly openings: readonly Opening[]
  /** Whether its objects were left unread, because an earlier run had read them. */
  readonly isRemembered: boolean
}

function day(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10)
}

/** What is gone before its time is lost; after it, removing it was lawful, as its manifest said when it was written. */
function reportGone(working: Working, object: StoredObject): void {
  const { key, version, retain_until_ms: untilMs = Infinity } = object
  working.hasContents = false
  if (untilMs < Date.now()) {
    const reason = `its retention ended on ${day(untilMs)}, and it was removed: its records are counted, not seen`
    const range = positionOf(working.committed)
    working.notes.push({ code: 'object.expired', object: key, reason, range })
  } else report(working, 'object.missing', { object: key, reason: `version ${version} is not in the store` })
}

async function fetchObject(working: Working, object: StoredObject): Promise<Buffer | undefined> {
  const { store, signal, listedSizes } = working.context
  const { key, version } = placeOf(listedSizes, object)
  const bytes = await store.get(key, { version, ...(signal === undefined ? {} : { signal }) })
  if (bytes === undefined) {
    reportGone(working, object)
    return undefined
  }
  working.bytes += bytes.length
  if (bytes.length !== object.size_bytes) {
    const reason = `has ${bytes.length} bytes instead of ${object.size_bytes}`
    report(working, 'object.altered', { object: key, reason })
  } else if (sha256Hex(bytes) !== object.sha256) {
    report(working, 'object.altered', { object: key, reason: 'does not have the SHA-256 in its manifest' })
  }
  return bytes
}

type DataObject = CommittedManifest['manifest']['objects'][number]

/** Segments must fill their object, and their leaf hashes the tree object, without gap or overlap. */
async function checkObject(
  working: Working,
  object: DataObject,
  segments: readonly Segment[],
): Promise<void> {
  const [bytes, leaves] = await Promise.all([fetchObject(working, object), fetchObject(working, object.tree)])
  let at = 0
  let leafAt = 0
  for (const segment of segments) {
    if (segment.start !== at) {
      report(working, 'object.layout', {
        object: object.key,
        reason: `a segment starts at ${segment.start}, not ${at}`,
      })
    }
    const leafEnd = leafAt + segment.rows * hashBytes
    const part = {
      key: object.key,
      bytes: bytes?.subarray(segment.start, segment.start + segment.size_bytes),
      leaves: leaves?.subarray(leafAt, leafEnd),
    }
    await checkPart(working, segment, part)
    at = segment.start + segment.size_bytes
    leafAt = leafEnd
  }
  if (at !== object.size_bytes || leafAt !== object.tree.size_bytes) {
    report(working, 'object.layout', { object: object.key, reason: 'its segments do not fill it' })
  }
}

function checkCounts(working: Working): void {
  const { manifest, key } = working.committed
  const { counts, holes, first_offset, next_offset } = manifest
  const rows = manifest.segments.reduce((sum, segment) => sum + segment.rows, 0)
  const isWhole = counts.read + countRanges(holes) === next_offset - first_offset
  if (rows !== counts.archived || counts.archived + counts.duplicates !== counts.read || !isWhole) {
    report(working, 'manifest.counts', { object: key, reason: 'its counts do not add up' })
  }
}

/** What was read before must still be there; that alone is looked at, in the listing. */
function checkPresence(working: Working): void {
  const { listedSizes } = working.context
  const { objects, segments, bodies = [] } = working.committed.manifest
  for (const object of [...objects.flatMap(({ tree, ...data }) => [data, tree]), ...bodies]) {
    const size = listedSizes.get(objectName(placeOf(listedSizes, object)))
    if (size === object.size_bytes) continue
    if (size === undefined) reportGone(working, object)
    else report(working, 'object.altered', { object: object.key, reason: `has ${size} bytes` })
  }
  working.records = segments.reduce((sum, { rows }) => sum + rows, 0)
}

/** Bodies are read before the segments whose records are made whole with them. */
async function fetchBodies(working: Working): Promise<void> {
  for (const body of working.committed.manifest.bodies ?? []) {
    const bytes = await fetchObject(working, body)
    if (bytes !== undefined) working.bodies.set(body.key, bytes)
  }
}

/** A manifest that lists what is none of its records' would be a place to hide things. */
function checkBodiesUsed(working: Working): void {
  if (!working.hasContents || working.problems.length > 0) return
  for (const { key } of working.committed.manifest.bodies ?? []) {
    if (working.usedBodies.has(key)) continue
    report(working, 'object.layout', { object: key, reason: 'no record of its manifest refers to it' })
  }
}

async function checkObjects(working: Working): Promise<void> {
  const { objects, segments } = working.committed.manifest
  await fetchBodies(working)
  for (const [index, object] of objects.entries()) {
    await checkObject(
      working,
      object,
      segments.filter(segment => segment.object === index),
    )
  }
  if (segments.some(segment => segment.object >= objects.length)) {
    const reason = 'a segment refers to an object that is not listed'
    report(working, 'object.layout', { object: working.committed.key, reason })
  }
  checkBodiesUsed(working)
}

async function readChecked(
  context: CutContext,
  at: { key: string; version: string },
): Promise<CommittedManifest | Finding> {
  try {
    return await readManifest(context.store, at.key, at.version)
  } catch (error) {
    if (!isAppError(error, 'ARCHIVE_DAMAGED')) throw error
    return { code: 'manifest.malformed', object: at.key, reason: error.message }
  }
}

/** Reads one manifest and checks everything it says about its objects. */
export async function checkCut(
  context: CutContext,
  at: { key: string; version: string },
): Promise<CheckedCut> {
  const read = await readChecked(context, at)
  if ('code' in read) {
    const nothing = { committed: undefined, places: undefined, bytes: 0, records: 0, openings: [] }
    return { ...noFindings(), key: at.key, ...nothing, problems: [read], isRemembered: false }
  }
  const working: Working = {
    ...noFindings(),
    context,
    committed: read,
    places: [],
    openings: [],
    bodies: new Map(),
    usedBodies: new Set(),
    bytes: 0,
    records: 0,
    hasContents: true,
  }
  checkCounts(working)
  const isRemembered = context.remembered.get(read.key) === read.sha256
  if (isRemembered) checkPresence(working)
  else await checkObjects(working)
  const { problems, notes, committed, bytes, records, openings } = working
  const hasPlaces = working.hasContents && context.keys !== undefined && !isRemembered
  const places = hasPlaces ? working.places : undefined
  return { key: at.key, committed, problems, notes, places, bytes, records, openings, isRemembered }
}
