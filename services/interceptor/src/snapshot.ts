import { isMembers } from './json.ts'

/**
 * A host may change a message after it was handed over: a handler edits its arguments, a server reuses its result.
 * What is recorded must be what was sent, and serialising on the request's tick costs 2.5 µs a KiB, so only the containers
 * are copied: strings are immutable and shared, and a 10 KiB text costs as much as an empty one.
 */
export interface Snapshot {
  readonly json: unknown
  /** Estimate of the serialised size; exact only after serialising. */
  readonly sizeBytes: number
}

/** Members copied per message; a larger one is kept by reference beyond this, because copying it would be felt. */
const maxCopied = 1000
const maxDepth = 64
/** Members looked at to estimate the size of what was not copied. */
const maxWeighed = 20_000
const scalarBytes = 8
const containerBytes = 16

interface Budget {
  copied: number
  weighed: number
  bytes: number
}

// One budget for all calls: a snapshot is taken in one go and never overlaps another.
const budget: Budget = { copied: 0, weighed: 0, bytes: 0 }

function weighMembers(values: readonly unknown[], depth: number): void {
  const seen = Math.min(values.length, 1000)
  const before = budget.bytes
  for (let index = 0; index < seen && budget.weighed < maxWeighed; index++) weigh(values[index], depth + 1)
  if (seen > 0 && seen < values.length)
    budget.bytes += ((budget.bytes - before) / seen) * (values.length - seen)
}

function weigh(value: unknown, depth: number): void {
  budget.weighed += 1
  if (typeof value === 'string') budget.bytes += value.length + 2
  else if (typeof value !== 'object' || value === null) budget.bytes += scalarBytes
  else {
    budget.bytes += containerBytes
    if (depth < maxDepth) weighMembers(Array.isArray(value) ? value : Object.values(value), depth)
  }
}

function copyArray(values: readonly unknown[], depth: number): unknown {
  budget.copied += values.length
  const out: unknown[] = []
  for (const value of values) out.push(copy(value, depth + 1))
  return out
}

function copyMembers(from: Readonly<Record<string, unknown>>, depth: number): unknown {
  const out: Record<string, unknown> = {}
  for (const name of Object.keys(from)) {
    budget.copied += 1
    budget.bytes += name.length + 3
    const value = copy(from[name], depth + 1)
    // Plain assignment of this one name would set the prototype.
    if (name === '__proto__')
      Object.defineProperty(out, name, { value, enumerable: true, configurable: true, writable: true })
    else out[name] = value
  }
  return out
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value === 'string') {
    budget.bytes += value.length + 2
    return value
  }
  if (typeof value !== 'object' || value === null) {
    budget.bytes += scalarBytes
    return value
  }
  if (depth < maxDepth && budget.copied < maxCopied) {
    budget.bytes += containerBytes
    if (Array.isArray(value) && budget.copied + value.length <= maxCopied) return copyArray(value, depth)
    if (isMembers(value) && isPlain(value)) return copyMembers(value, depth)
  }
  weigh(value, depth)
  return value
}

/** Keeps a message as it is now, in time that does not grow with the length of its texts. */
export function snapshot(message: unknown): Snapshot {
  budget.copied = 0
  budget.weighed = 0
  budget.bytes = 0
  const json = copy(message, 0)
  return { json, sizeBytes: Math.ceil(budget.bytes) }
}
