import { chunkId, integer, offsetOf, type PartRow } from './statements.ts'
import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Chunks removed in one transaction: freeing their pages takes milliseconds in which nobody else can write. */
const maxChunks = 64

export interface RetentionStatements {
  readonly oldest: StatementSync
  readonly remove: StatementSync
  readonly moveFirst: StatementSync
  readonly compact: StatementSync
}

export function prepareRetentionStatements(connection: DatabaseSync): RetentionStatements {
  const sql = (text: string): StatementSync => connection.prepare(text)
  return {
    oldest: sql(
      `SELECT id, count, time_ms FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ${maxChunks}`,
    ),
    remove: sql('DELETE FROM chunk WHERE id >= ? AND id < ?'),
    moveFirst: sql('UPDATE part SET first = ? WHERE id = ?'),
    compact: sql(`DELETE FROM chunk WHERE id IN (
      SELECT older.id FROM chunk AS older WHERE older.id >= :from AND older.id < :to AND older.key IS NOT NULL AND EXISTS (
        SELECT 1 FROM chunk AS newer WHERE newer.key = older.key AND newer.id > older.id AND newer.id < :to)
      LIMIT ${maxChunks})`),
  }
}

/** Removes chunks that are older than the partition's retention; returns whether there may be more. */
function expire(statements: RetentionStatements, part: PartRow, limitMs: number): boolean {
  const base = chunkId(part.id, 0)
  const rows = statements.oldest.all(base, chunkId(part.id + 1, 0))
  const kept = rows.findIndex(row => integer(row, 'time_ms') >= limitMs)
  const last = rows[kept < 0 ? rows.length - 1 : kept - 1]
  if (last === undefined) return false
  const first = offsetOf(integer(last, 'id')) + integer(last, 'count')
  statements.remove.run(base, chunkId(part.id, first))
  statements.moveFirst.run(first, part.id)
  return kept < 0
}

/** Removes records that a newer one of the same key replaces; returns whether there may be more. */
function compact(statements: RetentionStatements, part: PartRow): boolean {
  const range = { from: chunkId(part.id, 0), to: chunkId(part.id + 1, 0) }
  return Number(statements.compact.run(range).changes) >= maxChunks
}

/** One step of a sweep, inside a transaction; returns whether there may be more to remove. */
export function sweep(statements: RetentionStatements, part: PartRow, nowMs: number): boolean {
  if (part.retentionMs === null) return compact(statements, part)
  return expire(statements, part, nowMs - part.retentionMs)
}
