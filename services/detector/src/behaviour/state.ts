import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { AppError } from '@muniment/schema'
import type { Entry } from './correlate.ts'

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
  /** What windows of each hour of the day (UTC) used to bring. */
  byHour: number[]
  /** Names counted in this window. */
  readonly seen: string[]
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
  /** Entries forgotten to keep within bounds, by map. */
  readonly evicted: Record<string, number>
}

/** A state that knows nothing, for a partition read from `offset` on. */
export function emptyState(offset: number): PartitionState {
  return {
    epoch: offset,
    offset,
    alertSeq: 0,
    watermarks: new Map(),
    lost: new Map(),
    rates: new Map(),
    servers: new Map(),
    groups: new Map(),
    correlations: new Map(),
    evicted: {},
  }
}

/** Drops the entries not renewed for longest until the map is within its bound, and counts them. */
export function bound(
  state: PartitionState,
  name: 'watermarks' | 'lost' | 'rates' | 'servers' | 'groups' | 'correlations',
  most: number,
): void {
  const map: Map<string, unknown> = state[name]
  if (map.size <= most) return
  for (const key of map.keys()) {
    if (map.size <= most) break
    map.delete(key)
    state.evicted[name] = (state.evicted[name] ?? 0) + 1
  }
}

const version = 3

/** The snapshot of a state: JSON under zstd. */
export async function encodeState(state: PartitionState): Promise<Uint8Array> {
  const { servers, watermarks, lost, rates, groups, correlations, ...rest } = state
  const flat = {
    v: version,
    ...rest,
    watermarks: [...watermarks],
    lost: [...lost],
    rates: [...rates],
    groups: [...groups],
    correlations: [...correlations],
    servers: [...servers].map(([key, server]) => [key, { ...server, tools: [...server.tools] }]),
  }
  return await compress(JSON.stringify(flat))
}

interface FlatState extends Omit<
  PartitionState,
  'servers' | 'watermarks' | 'lost' | 'rates' | 'groups' | 'correlations'
> {
  readonly v: number
  readonly watermarks: readonly (readonly [string, readonly [number, number]])[]
  readonly lost: readonly (readonly [string, LostRanges])[]
  readonly rates: readonly (readonly [string, RateState])[]
  readonly groups: readonly (readonly [string, GroupState])[]
  readonly correlations: readonly (readonly [string, readonly Entry[]])[]
  readonly servers: readonly (readonly [
    string,
    Omit<ServerState, 'tools'> & { readonly tools: readonly (readonly [string, readonly string[]])[] },
  ])[]
}

function isFlatState(value: unknown): value is FlatState {
  return typeof value === 'object' && value !== null && 'v' in value && value.v === version
}

/** The state of a snapshot; `SCHEMA_UNKNOWN` for one written by another version. */
export async function decodeState(bytes: Uint8Array): Promise<PartitionState> {
  const flat: unknown = JSON.parse((await decompress(bytes)).toString())
  if (!isFlatState(flat)) {
    throw new AppError('SCHEMA_UNKNOWN', 'a detector snapshot was written by another version', {
      hint: 'Run the version that wrote it, or delete the snapshot to start from the oldest signal.',
    })
  }
  const { v: _, ...rest } = flat
  return {
    ...rest,
    watermarks: new Map(flat.watermarks),
    lost: new Map(flat.lost),
    rates: new Map(flat.rates),
    groups: new Map(flat.groups),
    correlations: new Map(flat.correlations),
    servers: new Map(flat.servers.map(([key, server]) => [key, { ...server, tools: new Map(server.tools) }])),
  }
}
