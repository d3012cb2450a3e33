import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { AppError } from '@muniment/schema'
import type { Signal } from '@muniment/schema'
import type { Distinct } from '../stats/distinct.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** Calls of one principal: the window in hand and the sizes of earlier windows that had any. */
export interface RateState {
  window: number
  count: number
  /** Count above which this window alarms; set when the window opens. */
  limit: number
  low: number
  high: number
  past: number[]
  /** What windows of each hour (UTC) of working days, then of weekends, used to bring: those that brought anything, packed. */
  byHour: number[]
  /** What was counted once in this window. */
  readonly seen: Distinct
  isTold: boolean
}

/** What is known of one server's tools: per tool the newest definition hashes, oldest first; none where it was only called. */
export interface ServerState {
  readonly sinceMs: number
  isListed: boolean
  readonly tools: Map<string, readonly string[]>
}

/** Findings of one rule that share a dedup key and follow each other within the rule's period. */
export interface GroupState {
  readonly uid: string
  readonly firstMs: number
  lastMs: number
  count: number
  notifyAt: number
  score: number
  evidences: Readonly<Record<string, unknown>>[]
}

/** A set that is learnt: who or what belongs to it, and when it grew last. */
export interface KnownSet {
  readonly sinceMs: number
  grownMs: number
  /** How many members were news since it grew. */
  news: number
  /** Beyond the bound nothing more is remembered: the set is open, and nobody is told of what is new in it. */
  isOpen: boolean
  readonly members: string[]
}

/** A tool's name among those of its tenant. */
export interface NameState {
  readonly tenant: string
  readonly server: string
  readonly tool: string
  readonly sinceMs: number
}

/** What a conversation has brought in of late. */
export interface FlowState {
  /** Text that strangers wrote, and whether it held orders. */
  stranger:
    | { readonly timeMs: number; readonly at: string; readonly eventId: string; readonly isOrder: boolean }
    | undefined
  /** Results that are not public, oldest first, with the marks by which copies of them are told. */
  readonly sources: {
    readonly timeMs: number
    readonly at: string
    readonly eventId: string
    readonly server: string
    readonly marks: readonly string[]
  }[]
}

/** What the calls of one tool in one window add up to. */
export interface Tally {
  calls: number
  errors: number
  bytes: number
  /** How many calls took how long, by step. */
  readonly steps: Record<string, number>
}

/** A tally with its place. */
interface OpenTally extends Tally {
  readonly window: number
  readonly tenant: string
  readonly server: string
  readonly tool: string
}

/** One event of a group: when, which of the rules, and the value counted or summed. */
export type Entry = readonly [timeMs: number, member: number, value?: string | number]

/** What is known of the calls of a server, or of one of its tools. */
export interface SeriesState {
  readonly tenant: string
  readonly server: string
  readonly tool: string | undefined
  /** The newest window that was judged; -1 for none. */
  judged: number
  /** How many windows were judged that say something. */
  windows: number
  readonly open: ({ readonly window: number } & Tally)[]
  /** What is usual of each level, and for how many windows in a row it was exceeded. */
  readonly usual: number[]
  readonly above: number[]
  /** Calls in a window, by hour of working days and weekends; of servers only. */
  readonly profile: number[]
  /** How many windows of each of these hours were judged. */
  readonly seen: number[]
  /** Calls that were due since the last one. */
  missing: number
  /** Most calls that were due in a pause that ended by itself, slowly forgotten. */
  longest: number
  isSilent: boolean
}

/** An interceptor that gives signs of life. */
interface InstanceState {
  readonly tenant: string
  readonly sinceMs: number
  /** When it was last heard of, by a clock that is not ahead of the bus. */
  seenMs: number
  /** The time that it said. */
  readonly timeMs: number
  isTold: boolean
}

/** First and last number of each, both included. */
export type LostRanges = readonly (readonly [first: number, last: number])[]

/** Everything the behaviour stage knows of one partition of `mcp.signals`. */
export interface PartitionState {
  /** Offset at which the state began; part of the lane's name, so that a lost state opens a new lane. */
  readonly epoch: number
  /** Next record to fold. */
  offset: number
  /** Number of the next alert in this partition's lane. */
  alertSeq: number
  /** Newest number seen per lane, and when the bus got it. */
  readonly watermarks: Map<string, readonly [seq: number, timestampMs: number]>
  /** Ranges per lane that were claimed to be lost before anything later was seen: what comes for them after all is judged. */
  readonly lost: Map<string, LostRanges>
  readonly rates: Map<string, RateState>
  readonly servers: Map<string, ServerState>
  readonly groups: Map<string, GroupState>
  /** Events of correlations, by rule and group, in order of time. */
  readonly correlations: Map<string, readonly Entry[]>
  readonly sets: Map<string, KnownSet>
  readonly names: Map<string, NameState>
  /** Who used a handle first. */
  readonly handles: Map<string, string>
  readonly flows: Map<string, FlowState>
  readonly tallies: Map<string, OpenTally>
  readonly series: Map<string, SeriesState>
  /** What time each partition of events has come to. */
  readonly ticks: Map<string, number>
  readonly instances: Map<string, InstanceState>
  /** Number of the next signal that the fold makes. */
  tallySeq: number
  /** What time all partitions of events have come to. */
  clockMs: number
  /** Signals that the fold has made and that are still to be published; empty in a snapshot. */
  readonly outbox: Signal[]
  /** Entries forgotten to keep within bounds, by map. */
  readonly evicted: Record<string, number>
}

type MapName = {
  [Name in keyof PartitionState]: PartitionState[Name] extends Map<string, unknown> ? Name : never
}[keyof PartitionState]

/** The maps whose entries are written as they are. */
type Maps = Pick<PartitionState, Exclude<MapName, 'servers'>>

/** A state that knows nothing, for a partition read from `offset` on. */
export function emptyState(offset: number): PartitionState {
  const numbers = { epoch: offset, offset, alertSeq: 0, tallySeq: 0, clockMs: 0 }
  return { ...numbers, ...mapsOf({ v: version }), servers: new Map(), evicted: {}, outbox: [] }
}

/** Which part of a full map is dropped at once: the way to its oldest entry leads over all that were dropped lately. */
const droppedShare = 1 / 64

/** Drops the entries not renewed for longest where the map is beyond its bound, some at once, and counts them. */
export function bound(state: PartitionState, name: MapName, most: number): void {
  const map: Map<string, unknown> = state[name]
  if (map.size <= most) return
  const left = most - Math.floor(most * droppedShare)
  for (const key of map.keys()) {
    if (map.size <= left) break
    map.delete(key)
    state.evicted[name] = (state.evicted[name] ?? 0) + 1
  }
}

const version = 6
/** Older ones lacked some of the maps, which then begin empty, and counted in another way what is usual of principals, which is learnt anew. */
const readable: ReadonlySet<unknown> = new Set([3, 4, 5, version])

/** The snapshot of a state: JSON under zstd. */
export async function encodeState(state: PartitionState): Promise<Uint8Array> {
  const { epoch, offset, alertSeq, tallySeq, clockMs, evicted, servers, outbox: _, ...maps } = state
  const flat = {
    v: version,
    epoch,
    offset,
    alertSeq,
    tallySeq,
    clockMs,
    evicted,
    ...Object.fromEntries(Object.entries(maps).map(([name, map]) => [name, [...map]])),
    servers: [...servers].map(([key, server]) => [key, { ...server, tools: [...server.tools] }]),
  }
  return await compress(JSON.stringify(flat))
}

type Entries<Of> = Of extends Map<infer Key, infer Value> ? readonly (readonly [Key, Value])[] : never
type FlatMaps = { readonly [Name in keyof Maps]?: Entries<Maps[Name]> }

interface FlatState
  extends
    FlatMaps,
    Pick<PartitionState, 'epoch' | 'offset' | 'alertSeq' | 'evicted'>,
    Partial<Pick<PartitionState, 'tallySeq' | 'clockMs'>> {
  readonly v: number
  readonly servers: readonly (readonly [
    string,
    Omit<ServerState, 'tools'> & { readonly tools: readonly (readonly [string, readonly string[]])[] },
  ])[]
}

function isFlatState(value: unknown): value is FlatState {
  return typeof value === 'object' && value !== null && 'v' in value && readable.has(value.v)
}

function mapsOf(flat: FlatMaps & { readonly v: number }): Maps {
  return {
    watermarks: new Map(flat.watermarks),
    lost: new Map(flat.lost),
    rates: new Map(flat.v === version ? flat.rates : []),
    groups: new Map(flat.groups),
    correlations: new Map(flat.correlations),
    sets: new Map(flat.sets),
    names: new Map(flat.names),
    handles: new Map(flat.handles),
    flows: new Map(flat.flows),
    tallies: new Map(flat.tallies),
    series: new Map(flat.series),
    ticks: new Map(flat.ticks),
    instances: new Map(flat.instances),
  }
}

/** The state of a snapshot; `SCHEMA_UNKNOWN` for one written by another version. */
export async function decodeState(bytes: Uint8Array): Promise<PartitionState> {
  const flat: unknown = JSON.parse((await decompress(bytes)).toString())
  if (!isFlatState(flat)) {
    throw new AppError('SCHEMA_UNKNOWN', 'a detector snapshot was written by another version', {
      hint: 'Run the version that wrote it, or delete the snapshot to start from the oldest signal.',
    })
  }
  const { epoch, offset, alertSeq, tallySeq = 0, clockMs = 0, evicted } = flat
  const servers = new Map(
    flat.servers.map(([key, server]) => [key, { ...server, tools: new Map(server.tools) }]),
  )
  const numbers = { epoch, offset, alertSeq, tallySeq, clockMs }
  return { ...numbers, evicted, ...mapsOf(flat), servers, outbox: [] }
}
