import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Offsets of one partition fit below; partition ids above. Both stay exact in a double. */
const offsetsPerPartition = 2 ** 40

/** Row id of the chunk of partition `id` that begins at `offset`. */
export function chunkId(id: number, offset: number): number {
  return id * offsetsPerPartition + offset
}

/** Inverse of {@link chunkId}. */
export function offsetOf(chunk: number): number {
  return chunk % offsetsPerPartition
}

/** A row of `part`: one partition. */
export interface PartRow {
  readonly id: number
  readonly topic: string
  readonly partition: number
  /** `null` = compacted. */
  readonly retentionMs: number | null
  readonly first: number
  readonly next: number
  readonly timeMs: number
}

export interface ChunkRow {
  readonly id: number
  readonly count: number
  readonly timeMs: number
  readonly body: Uint8Array
}

type Row = Readonly<Record<string, unknown>>

/** SQLite keeps the types of columns that are declared; this says so where the types do not. */
export function integer(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw new TypeError(`column ${column} is not a number`)
  return value
}

export function string(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new TypeError(`column ${column} is not text`)
  return value
}

export function partRow(row: Row): PartRow {
  return {
    id: integer(row, 'id'),
    topic: string(row, 'topic'),
    partition: integer(row, 'partition'),
    retentionMs: row['retention_ms'] === null ? null : integer(row, 'retention_ms'),
    first: integer(row, 'first'),
    next: integer(row, 'next'),
    timeMs: integer(row, 'time_ms'),
  }
}

export function chunkRow(row: Row): ChunkRow {
  const body = row['body']
  if (!(body instanceof Uint8Array)) throw new TypeError('column body is not a blob')
  return { id: integer(row, 'id'), count: integer(row, 'count'), timeMs: integer(row, 'time_ms'), body }
}

/** The statements of the log, compiled once. */
export interface Statements {
  readonly parts: StatementSync
  readonly part: StatementSync
  readonly addPart: StatementSync
  readonly movePart: StatementSync
  readonly addChunk: StatementSync
  /** The chunk at or before a row id. */
  readonly chunkBefore: StatementSync
  readonly chunksFrom: StatementSync
  readonly dataVersion: StatementSync
}

export function prepareStatements(connection: DatabaseSync): Statements {
  const sql = (text: string): StatementSync => connection.prepare(text)
  return {
    parts: sql('SELECT * FROM part ORDER BY topic, partition'),
    part: sql('SELECT * FROM part WHERE id = ?'),
    addPart: sql('INSERT OR IGNORE INTO part (topic, partition, retention_ms) VALUES (?, ?, ?)'),
    movePart: sql('UPDATE part SET next = ?, time_ms = ? WHERE id = ?'),
    addChunk: sql('INSERT INTO chunk (id, count, time_ms, key, body) VALUES (?, ?, ?, ?, ?)'),
    chunkBefore: sql('SELECT id, count FROM chunk WHERE id <= ? AND id >= ? ORDER BY id DESC LIMIT 1'),
    chunksFrom: sql('SELECT id, count, time_ms, body FROM chunk WHERE id >= ? AND id < ? ORDER BY id'),
    dataVersion: sql('PRAGMA data_version'),
  }
}
