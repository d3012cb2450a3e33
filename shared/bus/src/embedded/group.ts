import { shareOut, type Seat } from '../local/seat.ts'
import { integer, string } from './statements.ts'
import { isDead, type ProcessName } from './process.ts'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Position } from '../bus.ts'
import type { Membership } from '../local/attend.ts'
import type { EmbeddedLog } from './log.ts'
import type { Writer } from './writer.ts'

/** A member that was not heard of for so long has lost its partitions. */
const sessionMs = 10_000
const heartbeatMs = 2000
/** A member that has not given its partitions back for so long is put out of the group. */
const rebalanceMs = 60_000

interface GroupStatements {
  readonly group: StatementSync
  readonly bump: StatementSync
  readonly members: StatementSync
  readonly enter: StatementSync
  readonly beat: StatementSync
  readonly acknowledge: StatementSync
  readonly remove: StatementSync
  readonly commit: StatementSync
  readonly committed: StatementSync
}

/** The statements of groups, compiled once. */
export function prepareGroupStatements(connection: DatabaseSync): GroupStatements {
  const sql = (text: string): StatementSync => connection.prepare(text)
  return {
    group: sql('SELECT generation, since_ms FROM consumer_group WHERE name = ?'),
    bump: sql(`INSERT INTO consumer_group (name, generation, since_ms) VALUES (?, 1, ?)
      ON CONFLICT (name) DO UPDATE SET generation = generation + 1, since_ms = excluded.since_ms`),
    members: sql('SELECT * FROM member WHERE consumer_group = ? ORDER BY id'),
    enter: sql(`INSERT INTO member (consumer_group, id, topics, process, generation, seen_ms)
      VALUES (?, ?, ?, ?, 0, ?)`),
    beat: sql('UPDATE member SET seen_ms = ? WHERE consumer_group = ? AND id = ?'),
    acknowledge: sql('UPDATE member SET generation = ? WHERE consumer_group = ? AND id = ?'),
    remove: sql('DELETE FROM member WHERE consumer_group = ? AND id = ?'),
    commit: sql(`INSERT INTO committed (consumer_group, part, next) VALUES (?, ?, ?)
      ON CONFLICT (consumer_group, part) DO UPDATE SET next = excluded.next`),
    committed: sql('SELECT part, next FROM committed WHERE consumer_group = ?'),
  }
}

/** Committed offsets of a group by partition id. */
export function committedOffsets(statements: GroupStatements, group: string): Map<number, number> {
  return new Map(statements.committed.all(group).map(row => [integer(row, 'part'), integer(row, 'next')]))
}

interface MemberRow {
  readonly id: string
  readonly topics: readonly string[]
  readonly process: string
  /** The newest change of the membership for which it has given its partitions back. */
  readonly generation: number
  readonly seenMs: number
}

export interface GroupOptions {
  readonly group: string
  readonly memberId: string
  readonly process: ProcessName
  readonly statements: GroupStatements
  readonly writer: Writer
  readonly log: EmbeddedLog
  readonly seat: Seat
  readonly now: () => number
  readonly onFailure: (error: unknown) => void
  readonly warn: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

interface Standing {
  readonly options: GroupOptions
  /** The generation for which this member has given its partitions back. */
  acknowledged: number
  /** The generation whose share it holds. */
  occupied: number
  working: Promise<void> | undefined
  isAsked: boolean
  isLeaving: boolean
}

function membersOf({ statements, group }: GroupOptions): MemberRow[] {
  return statements.members.all(group).map(row => {
    const topics: readonly string[] = JSON.parse(string(row, 'topics'))
    return {
      id: string(row, 'id'),
      topics,
      process: string(row, 'process'),
      generation: integer(row, 'generation'),
      seenMs: integer(row, 'seen_ms'),
    }
  })
}

function generationOf({ statements, group }: GroupOptions): { generation: number; sinceMs: number } {
  const row = statements.group.get(group)
  if (row === undefined) return { generation: 0, sinceMs: 0 }
  return { generation: integer(row, 'generation'), sinceMs: integer(row, 'since_ms') }
}

function enter({ statements, group, memberId, process, seat, now }: GroupOptions): void {
  statements.enter.run(group, memberId, JSON.stringify(seat.topics), process.text, now())
  statements.bump.run(group, now())
}

/** Shows that this member is alive, and removes those that are not. */
function beat(options: GroupOptions): void {
  const { statements, group, memberId, process, now } = options
  const nowMs = now()
  statements.beat.run(nowMs, group, memberId)
  const { generation, sinceMs } = generationOf(options)
  const isGone = (member: MemberRow): boolean =>
    // A time far ahead was written before the clock was set back.
    Math.abs(nowMs - member.seenMs) > sessionMs ||
    (member.generation !== generation && nowMs - sinceMs > rebalanceMs) ||
    isDead(member.process, process)
  const gone = membersOf(options).filter(member => member.id !== memberId && isGone(member))
  for (const { id } of gone) statements.remove.run(group, id)
  if (gone.length > 0) statements.bump.run(group, nowMs)
}

/** Follows the group until nothing is left to do: give back, say so, wait for the others, take the new share. */
async function follow(standing: Standing): Promise<void> {
  const { options } = standing
  const { statements, group, memberId, writer, seat, log } = options
  while (!standing.isLeaving) {
    const { generation } = generationOf(options)
    if (generation === standing.occupied) return
    const members = membersOf(options)
    if (!members.some(member => member.id === memberId)) {
      await seat.release()
      await writer.write({ run: () => enter(options) })
    } else if (generation !== standing.acknowledged) {
      await seat.release()
      standing.acknowledged = generation
      await writer.write({ run: () => statements.acknowledge.run(generation, group, memberId) })
    } else if (members.every(member => member.generation === generation)) {
      standing.occupied = generation
      const shares = shareOut(members, topic => log.partitions(topic))
      const mine = [...shares].find(([member]) => member.id === memberId)
      await seat.occupy(mine?.[1] ?? [])
    } else {
      return
    }
  }
}

function ask(standing: Standing): void {
  standing.isAsked = true
  standing.working ??= (async (): Promise<void> => {
    try {
      while (standing.isAsked && !standing.isLeaving) {
        standing.isAsked = false
        await follow(standing)
      }
    } catch (error) {
      standing.options.onFailure(error)
    } finally {
      standing.working = undefined
    }
  })()
}

async function leave(standing: Standing): Promise<void> {
  const { statements, group, memberId, writer, seat, now } = standing.options
  standing.isLeaving = true
  await standing.working
  await seat.release()
  const run = (): void => {
    statements.remove.run(group, memberId)
    statements.bump.run(group, now())
  }
  await writer.write({ run })
}

async function commit(options: GroupOptions, positions: readonly Position[]): Promise<void> {
  const { statements, group, log, writer } = options
  const run = (): void => {
    for (const { topic, partition, offset } of positions) {
      const part = log.rows(topic)[partition]
      if (part !== undefined) statements.commit.run(group, part.id, offset)
    }
  }
  await writer.write({ run })
}

/**
 * A member of a group that is kept in the database. Every change of the membership begins a generation; its partitions are
 * taken only after all members have given back those of the generation before, or were put out.
 */
export function createMembership(options: GroupOptions): Membership {
  const { log, writer, seat, warn } = options
  const standing: Standing = {
    options,
    acknowledged: -1,
    occupied: -1,
    working: undefined,
    isAsked: false,
    isLeaving: false,
  }
  let timer: NodeJS.Timeout | undefined
  let removeListener: (() => void) | undefined
  const tick = async (): Promise<void> => {
    // All members of all processes at the same moments: those of one process share a commit.
    timer = setTimeout(() => void tick(), heartbeatMs - (Date.now() % heartbeatMs))
    try {
      await writer.write({ run: () => beat(options) })
    } catch (error) {
      warn('bus.heartbeat.failed', { group: options.group, error })
    }
  }
  return {
    join: async () => {
      await writer.write({ run: () => enter(options) })
      removeListener = log.onChange(() => ask(standing))
      await tick()
      ask(standing)
    },
    leave: async () => {
      clearTimeout(timer)
      removeListener?.()
      await (removeListener === undefined ? seat.release() : leave(standing))
    },
    commit: positions => commit(options, positions),
  }
}
