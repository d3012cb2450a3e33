import { createBoundedMap } from './bounded-map.ts'

/** Counts failed attempts per source and slows those down that go on. */
export interface Failures {
  /** How long this source must wait before it is heard again; 0 = not at all. */
  readonly waitMs: (address: string | undefined) => number
  readonly failed: (address: string | undefined) => void
}

/** How failing sources are slowed. */
export interface FailureOptions {
  /** Failures that cost nothing (default 10). */
  readonly free?: number | undefined
  /** First wait; it doubles with every further failure (default 1 s). */
  readonly baseMs?: number | undefined
  /** Longest wait (default 15 min); after as long without a failure all is forgotten. */
  readonly maxMs?: number | undefined
  readonly now?: (() => number) | undefined
}

interface Entry {
  readonly count: number
  readonly atMs: number
  readonly untilMs: number
}

const mostSources = 50_000
const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/iu

/** The first 64 bits, written one way. */
function network(address: string): string {
  const [bare = ''] = address.toLowerCase().split('%', 1)
  const [head = '', tail] = bare.split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return groups
    .slice(0, 4)
    .map(group => group.replace(/^0+(?=.)/u, ''))
    .join(':')
}

/**
 * What counts as one source: an IPv4 address however it is written, and of IPv6 the /64, because who has one has all of its 2⁶⁴ addresses.
 * Requests without an address share one.
 */
function sourceOf(address: string | undefined): string {
  if (address === undefined || address === '') return 'unknown'
  const v4 = mapped.exec(address)?.[1]
  if (v4 !== undefined) return v4
  return address.includes(':') ? `${network(address)}::/64` : address
}

/** Counts failures in bounded memory; of too many sources the one that failed longest ago is forgotten. */
export function createFailures(options: FailureOptions = {}): Failures {
  const { free = 10, baseMs = 1000, maxMs = 900_000, now = Date.now } = options
  const sources = createBoundedMap<Entry>(mostSources)
  const find = (source: string): Entry | undefined => {
    const entry = sources.get(source)
    if (entry === undefined || now() - entry.atMs <= maxMs) return entry
    sources.delete(source)
    return undefined
  }
  return {
    waitMs: address => Math.max(0, (find(sourceOf(address))?.untilMs ?? 0) - now()),
    failed: address => {
      const source = sourceOf(address)
      const count = (find(source)?.count ?? 0) + 1
      const penaltyMs = count < free ? 0 : Math.min(maxMs, baseMs * 2 ** Math.min(count - free, 30))
      sources.set(source, { count, atMs: now(), untilMs: now() + penaltyMs })
    },
  }
}
