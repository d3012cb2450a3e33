import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { CommittedManifest, Segment } from '@muniment/archive'

/** One segment and the manifest that names it; the manifest is cut down to what opening the segment needs. */
export interface SegmentEntry {
  readonly manifest: CommittedManifest
  readonly segment: Segment
}

/** Which segments a query needs. */
interface SegmentFilter {
  readonly topic: string
  /** All where left out. */
  readonly tenants?: readonly string[] | undefined
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
}

/** What the manifests say, in a form that can be searched. A cache: it may be deleted at any time. */
export interface Catalogue extends Disposable {
  /** The newest manifest of each partition of a topic, whole. */
  readonly newest: (topic: string) => readonly CommittedManifest[]
  /** Manifests of one partition, in order; all of them or none. */
  readonly add: (manifests: readonly CommittedManifest[]) => void
  /** The earliest time in the newest segments that hold `rows` rows together; `undefined` where there are not as many. */
  readonly sinceNewest: (filter: SegmentFilter, rows: number) => number | undefined
  /** Runs `read` on one state of the catalogue, whatever other processes add meanwhile. */
  readonly snapshot: <T>(read: () => T) => T
  readonly forget: (topic: string, partition: number) => void
  /** Newest first. */
  readonly find: (filter: SegmentFilter) => readonly SegmentEntry[]
  readonly count: () => { readonly manifests: number; readonly segments: number }
}

/** Grows with every change of the tables; a file of another version is rebuilt. */
const version = 2

const schema = `
  CREATE TABLE IF NOT EXISTS manifest(topic TEXT, part INTEGER, first INTEGER, json TEXT, PRIMARY KEY(topic, part, first)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS newest(topic TEXT, part INTEGER, first INTEGER, json TEXT, PRIMARY KEY(topic, part)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS segment(topic TEXT, tenant TEXT, part INTEGER, first INTEGER, idx INTEGER, row_count INTEGER, min_ms INTEGER, max_ms INTEGER,
    json TEXT, PRIMARY KEY(topic, tenant, part, first, idx)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS segment_time ON segment(topic, tenant, max_ms);
  PRAGMA user_version=${version};`

function openAt(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  // A cache: what a power cut takes is rebuilt.
  database.exec('PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;')
  const found = database.prepare('PRAGMA user_version').get()?.['user_version']
  if (found !== 0 && found !== version) throw new TypeError('another version')
  database.exec(schema)
  return database
}

function openFile(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    return openAt(path)
  } catch {
    // Not a database, a broken one, or one of another version.
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
    return openAt(path)
  }
}

function where({ topic, tenants, fromMs, toMs }: SegmentFilter): {
  sql: string
  values: (string | number)[]
} {
  const parts = ['s.topic = ?']
  const values: (string | number)[] = [topic]
  if (tenants !== undefined) {
    parts.push(`s.tenant IN (${tenants.map(() => '?').join(', ')})`)
    values.push(...tenants)
  }
  // Rows without a readable time have no span; no condition on time may lose them here.
  if (fromMs !== undefined) {
    parts.push('(s.max_ms IS NULL OR s.max_ms >= ?)')
    values.push(Math.floor(fromMs))
  }
  if (toMs !== undefined) {
    parts.push('(s.min_ms IS NULL OR s.min_ms <= ?)')
    values.push(Math.ceil(toMs))
  }
  return { sql: parts.join(' AND '), values }
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    work()
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

/** Lanes and watermarks of old manifests are of no use to queries and may be large. */
function cutDown(committed: CommittedManifest): CommittedManifest {
  const { manifest } = committed
  return {
    ...committed,
    manifest: { ...manifest, lanes: [], watermarks: [], recent_ids: [], holes: [], segments: [] },
  }
}

/** Manifests of one partition, in order. */
function createInsert(database: DatabaseSync): (committed: readonly CommittedManifest[]) => void {
  const manifests = database.prepare('INSERT OR REPLACE INTO manifest VALUES (?, ?, ?, ?)')
  const newest = database.prepare(
    // Another process may be further already.
    `INSERT INTO newest VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET first = excluded.first, json = excluded.json WHERE excluded.first > newest.first`,
  )
  const segments = database.prepare('INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const insertOne = (committed: CommittedManifest): void => {
    const { topic, partition, first_offset: first } = committed.manifest
    manifests.run(topic, partition, first, JSON.stringify(cutDown(committed)))
    for (const [index, segment] of committed.manifest.segments.entries()) {
      const numbers = [segment.rows, segment.time?.min_ms ?? null, segment.time?.max_ms ?? null]
      segments.run(topic, segment.tenant, partition, first, index, ...numbers, JSON.stringify(segment))
    }
  }
  return group => {
    group.forEach(insertOne)
    const last = group.at(-1)
    if (last === undefined) return
    const { topic, partition, first_offset: first } = last.manifest
    newest.run(topic, partition, first, JSON.stringify(last))
  }
}

function parseCommitted(json: unknown): CommittedManifest {
  return JSON.parse(String(json))
}

function parseSegment(json: unknown): Segment {
  return JSON.parse(String(json))
}

function find(database: DatabaseSync, filter: SegmentFilter): readonly SegmentEntry[] {
  const { sql, values } = where(filter)
  const join = 'segment s JOIN manifest m ON m.topic = s.topic AND m.part = s.part AND m.first = s.first'
  const rows = database
    .prepare(
      `SELECT m.json AS manifest, s.json AS segment FROM ${join} WHERE ${sql} ORDER BY s.max_ms DESC, s.part, s.first, s.idx`,
    )
    .all(...values)
  return rows.map(row => ({
    manifest: parseCommitted(row['manifest']),
    segment: parseSegment(row['segment']),
  }))
}

function sinceNewest(database: DatabaseSync, filter: SegmentFilter, wanted: number): number | undefined {
  const { sql, values } = where(filter)
  const rows = database
    .prepare(
      `SELECT s.min_ms AS min_ms, s.row_count AS row_count FROM segment s WHERE ${sql} ORDER BY s.max_ms DESC`,
    )
    .iterate(...values)
  let sum = 0
  let earliest = Infinity
  for (const { min_ms, row_count } of rows) {
    if (typeof min_ms !== 'number') return undefined
    earliest = Math.min(earliest, min_ms)
    sum += Number(row_count)
    if (sum >= wanted) return earliest
  }
  return undefined
}

function forget(database: DatabaseSync, topic: string, partition: number): void {
  for (const table of ['manifest', 'newest', 'segment'])
    database.prepare(`DELETE FROM ${table} WHERE topic = ? AND part = ?`).run(topic, partition)
}

/** Opens the catalogue in the file `path`, or starts an empty one there. */
export function openCatalogue(path: string): Catalogue {
  const database = openFile(path)
  const insert = createInsert(database)
  const countOf = (table: string): number =>
    Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
  return {
    newest: topic =>
      database
        .prepare('SELECT json FROM newest WHERE topic = ? ORDER BY part')
        .all(topic)
        .map(row => parseCommitted(row['json'])),
    add: manifests => inTransaction(database, () => insert(manifests)),
    sinceNewest: (filter, rows) => sinceNewest(database, filter, rows),
    snapshot(read) {
      database.exec('BEGIN')
      try {
        return read()
      } finally {
        database.exec('COMMIT')
      }
    },
    forget: (topic, partition) => inTransaction(database, () => forget(database, topic, partition)),
    find: filter => find(database, filter),
    count: () => ({ manifests: countOf('manifest'), segments: countOf('segment') }),
    [Symbol.dispose]: () => database.close(),
  }
}
