import { decodeChunk } from './chunk.ts'
import { describeFailure, isBusy, type Database } from './database.ts'
import { chunkId, chunkRow, integer, offsetOf, partRow, type PartRow, type Statements } from './statements.ts'
import { unknownTopic } from '../records.ts'
import type { Batch, BusRecord, Position, TopicPartition } from '../bus.ts'
import type { Limits, LocalLog } from '../local/log.ts'
import type { Names } from '../names.ts'

/** A partition and what this process knows of it. */
interface Part {
  readonly place: TopicPartition
  row: PartRow
  /** The rest of a chunk of which only the beginning fitted a batch. */
  rest: readonly BusRecord[]
}

/** The log as this process sees it. */
export interface EmbeddedLog extends LocalLog {
  readonly rows: (topic: string) => readonly PartRow[]
  readonly allRows: () => readonly PartRow[]
  /** Reads again what other processes may have changed, and tells the listeners. */
  readonly refresh: () => void
  /** Looks whether another process has committed since the last look, which costs microseconds. */
  readonly look: () => boolean
  /** Takes note of what this process has appended: partition id → next offset. */
  readonly note: (grown: ReadonlyMap<number, number>) => void
  /** Tells the listeners that something changed. */
  readonly ring: () => void
  /** Called when the first listener comes and when the last one goes. */
  readonly onListening: (change: (isListened: boolean) => void) => void
}

interface State {
  readonly database: Database
  readonly statements: Statements
  readonly names: Names
  readonly topics: Map<string, Part[]>
  readonly byId: Map<number, Part>
  readonly listeners: Set<() => void>
  onListening: (isListened: boolean) => void
  dataVersion: number
}

/** Where the records from `position` on begin: inside a chunk, at the next one, or at the oldest. */
function findChunk({ statements }: State, part: Part, offset: number): number {
  const { id, first, next } = part.row
  const wanted = offset < first || offset > next ? first : offset
  const target = chunkId(id, wanted)
  const found = statements.chunkBefore.get(target, chunkId(id, 0))
  if (found === undefined) return target
  const start = integer(found, 'id')
  return start + integer(found, 'count') > target ? start : target
}

/** Collects records of a batch within its limits; says what did not fit. */
function createCollector(limits: Limits) {
  const records: BusRecord[] = []
  let bytes = 0
  return {
    records,
    add: (found: readonly BusRecord[]): readonly BusRecord[] => {
      for (const [index, record] of found.entries()) {
        bytes += record.value.byteLength
        const isFull = records.length >= limits.records || bytes > limits.bytes
        if (isFull && records.length > 0) return found.slice(index)
        records.push(record)
      }
      return []
    },
    isFull: (): boolean => records.length >= limits.records || bytes >= limits.bytes,
  }
}

function collect(
  state: State,
  part: Part,
  { offset, limits }: { offset: number; limits: Limits },
): BusRecord[] {
  const collector = createCollector(limits)
  const { rest } = part
  part.rest = []
  let from = offset
  if (rest[0]?.offset === offset) {
    part.rest = collector.add(rest)
    from = offset + rest.length
  }
  if (part.rest.length > 0 || collector.isFull()) return collector.records
  const start = findChunk(state, part, from)
  for (const found of state.statements.chunksFrom.iterate(start, chunkId(part.row.id + 1, 0))) {
    const { id, timeMs, body } = chunkRow(found)
    const firstOffset = offsetOf(id)
    const records = decodeChunk({ place: part.place, firstOffset, timestampMs: timeMs, body })
    const isInside = from > firstOffset && from < firstOffset + records.length
    part.rest = collector.add(isInside ? records.slice(from - firstOffset) : records)
    if (part.rest.length > 0 || collector.isFull()) break
  }
  return collector.records
}

function fetch(state: State, position: Position, limits: Limits): Batch | undefined {
  const part = state.topics.get(position.topic)?.[position.partition]
  if (part === undefined || position.offset === part.row.next) return undefined
  const records = collect(state, part, { offset: position.offset, limits })
  const last = records.at(-1)
  if (last === undefined) return undefined
  const nextOffset = last.offset + 1
  return { ...part.place, records, nextOffset, highWatermark: Math.max(part.row.next, nextOffset) }
}

function load(state: State): void {
  for (const found of state.statements.parts.all()) {
    const row = partRow(found)
    const known = state.byId.get(row.id)
    if (known === undefined) addPart(state, row)
    else known.row = row
  }
}

function addPart(state: State, row: PartRow): void {
  const topic = state.names.logical(row.topic)
  if (topic === undefined) return
  const part: Part = { place: { topic, partition: row.partition }, row, rest: [] }
  const parts = state.topics.get(topic) ?? []
  parts[row.partition] = part
  state.topics.set(topic, parts)
  state.byId.set(row.id, part)
}

function ring(state: State): void {
  for (const listener of state.listeners) listener()
}

function look(state: State): boolean {
  const version = integer(state.statements.dataVersion.get() ?? {}, 'data_version')
  if (version === state.dataVersion) return false
  state.dataVersion = version
  load(state)
  ring(state)
  return true
}

function note(state: State, grown: ReadonlyMap<number, number>): void {
  for (const [id, next] of grown) {
    const part = state.byId.get(id)
    if (part !== undefined) part.row = { ...part.row, next }
  }
}

function listen(state: State, listener: () => void): () => void {
  state.listeners.add(listener)
  if (state.listeners.size === 1) state.onListening(true)
  return () => {
    state.listeners.delete(listener)
    if (state.listeners.size === 0) state.onListening(false)
  }
}

/** A reader that meets a lock comes back with the next look; other failures are for people. */
function guarded<T>(state: State, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!isBusy(error)) throw describeFailure(state.database.path, error)
    state.dataVersion = -1
    return undefined
  }
}

export function createEmbeddedLog(database: Database, statements: Statements, names: Names): EmbeddedLog {
  const state: State = {
    database,
    statements,
    names,
    topics: new Map(),
    byId: new Map(),
    listeners: new Set(),
    onListening: () => undefined,
    dataVersion: -1,
  }
  const partsOf = (topic: string): readonly Part[] => state.topics.get(topic) ?? []
  return {
    rows: topic => partsOf(topic).map(part => part.row),
    allRows: () => [...state.byId.values()].map(part => part.row),
    partitions: topic => partsOf(topic).map(part => part.place),
    fetch: (position, limits) => guarded(state, () => fetch(state, position, limits)),
    state: ({ topic, partition }) => {
      const row = partsOf(topic)[partition]?.row
      if (row === undefined) throw unknownTopic(topic)
      return { topic, partition, firstOffset: row.first, nextOffset: row.next }
    },
    refresh: () => {
      guarded(state, () => load(state))
      ring(state)
    },
    look: () => guarded(state, () => look(state)) ?? false,
    note: grown => note(state, grown),
    ring: () => ring(state),
    onChange: listener => listen(state, listener),
    onListening: change => {
      state.onListening = change
    },
    yieldTurn: () =>
      new Promise(resolve => {
        setImmediate(resolve)
      }),
  }
}
