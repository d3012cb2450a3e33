import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError } from '@muniment/schema'

const formatVersion = 1

/** Short, because waiting inside SQLite blocks the whole process; longer waits are turns of the event loop. */
const busyTimeoutMs = 20

// `chunk.id` = partition id * 2^40 + first offset, so that a partition's chunks lie side by side in order.
const schema = `
  CREATE TABLE IF NOT EXISTS part (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    retention_ms INTEGER,
    first INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0,
    time_ms INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition)
  );
  CREATE TABLE IF NOT EXISTS chunk (
    id INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    key TEXT,
    body BLOB NOT NULL
  );
  CREATE INDEX IF NOT EXISTS chunk_key ON chunk (key, id) WHERE key IS NOT NULL;
  CREATE TABLE IF NOT EXISTS consumer_group (
    name TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    since_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS member (
    consumer_group TEXT NOT NULL,
    id TEXT NOT NULL,
    topics TEXT NOT NULL,
    process TEXT NOT NULL,
    generation INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, id)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS committed (
    consumer_group TEXT NOT NULL,
    part INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, part)
  ) WITHOUT ROWID;
`

/** What SQLite's primary result codes mean for a file, https://sqlite.org/rescode.html */
const fileFailures: ReadonlyMap<number | undefined, string> = new Map([
  [8, 'cannot be written'],
  [10, 'cannot be read or written: input/output error'],
  [11, 'is damaged'],
  [13, 'cannot grow: the disk is full'],
  [14, 'cannot be opened'],
  [26, 'is not a database'],
])
const damagedCodes: ReadonlySet<number | undefined> = new Set([11, 26])
const busyCodes: ReadonlySet<number | undefined> = new Set([5, 6])

function resultCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  return error.errcode & 0xff
}

/** Whether another process holds the lock that was needed. */
export function isBusy(error: unknown): boolean {
  return busyCodes.has(resultCodeOf(error))
}

/** What a failure of SQLite or of the file system means to a person; other errors pass unchanged. */
export function describeFailure(path: string, error: unknown): unknown {
  const code = resultCodeOf(error)
  const what = fileFailures.get(code)
  const facts = { details: { path }, cause: error }
  if (what !== undefined) {
    const hint = 'Stop all processes and move the file away; a new one is made at the next start.'
    return new AppError('DISK_UNUSABLE', `${path} ${what}`, {
      ...facts,
      ...(damagedCodes.has(code) && { hint }),
    })
  }
  if (error instanceof Error && 'syscall' in error) {
    return new AppError('DISK_UNUSABLE', `${path} cannot be used: ${error.message}`, facts)
  }
  return error
}

function prepareFile(database: DatabaseSync, path: string): void {
  const version = database.prepare('PRAGMA user_version').get()?.['user_version']
  if (typeof version === 'number' && version > formatVersion) {
    throw new AppError('CONFIG_INVALID', `${path} was written by a newer version of this program`, {
      hint: 'Use the newer version, or another folder.',
      details: { path, formatVersion: version },
    })
  }
  if (version === formatVersion) return
  database.exec('PRAGMA page_size = 16384; PRAGMA journal_mode = WAL')
  database.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${formatVersion}; COMMIT`)
}

/** A database and where it lies. */
export interface Database {
  readonly path: string
  readonly connection: DatabaseSync
}

/** Opens `<dir>/bus.db`, readable by its owner only; throws `DISK_UNUSABLE` or `CONFIG_INVALID`. */
export function openDatabase(dir: string): Database {
  const path = join(dir, 'bus.db')
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'a', 0o600))
    const connection = new DatabaseSync(path, { timeout: 5000 })
    prepareFile(connection, path)
    // The log of changes is folded in every 16 MB; the writer says which of its commits must reach the disk.
    connection.exec(`PRAGMA wal_autocheckpoint = 1024; PRAGMA busy_timeout = ${busyTimeoutMs}`)
    return { path, connection }
  } catch (error) {
    throw describeFailure(path, error)
  }
}
