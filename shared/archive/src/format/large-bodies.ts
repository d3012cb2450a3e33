import { topic } from '@muniment/schema'
import { z } from 'zod'
import { damaged } from '../parquet/damaged.ts'
import { fieldNames, scanSpans, type Span } from './scan.ts'

/** What stands in a stored record in the place of a body. */
const placeholder = Buffer.from('null')

/** No record of the bus is as large; bounds what a hostile reference can ask for. */
const maxBodyBytes = 64 * 1024 * 1024

const reference = z.strictObject({
  /** Where in the stored record `null` stands in its place. */
  at: z.int().nonnegative(),
  size_bytes: z.int().positive().max(maxBodyBytes),
  /** Key of the object that holds it. */
  object: z.string(),
  /** What opens that object, base64url. */
  key: z.string().regex(/^[A-Za-z0-9_-]{43}$/u),
})

/** One body of a record that lies elsewhere. */
export type BodyReference = z.infer<typeof reference>

/** A request's and a response's. */
const maxBodies = 2
const references = z.array(reference).min(1).max(maxBodies)

const messages = fieldNames('request', 'response')
const bodyField = fieldNames('body')

/** Where an event's bodies of `atLeast` bytes stand. */
export function largeBodies(topicName: string, record: Buffer, atLeast: number): readonly Span[] {
  if (topicName !== topic.events || record.length < atLeast) return []
  return scanSpans(record, messages)
    .flatMap(({ start }) => scanSpans(record, bodyField, start))
    .filter(({ start, end }) => end - start >= atLeast)
    .slice(0, maxBodies)
}

/** The record without its bodies, which stays JSON, and where in it each is to be put back. */
export function takeOut(
  record: Buffer,
  spans: readonly Span[],
): { readonly stored: Buffer; readonly at: readonly number[] } {
  const parts: Buffer[] = []
  const at: number[] = []
  let [from, length] = [0, 0]
  for (const { start, end } of spans) {
    parts.push(record.subarray(from, start), placeholder)
    length += start - from
    at.push(length)
    length += placeholder.length
    from = end
  }
  return { stored: Buffer.concat([...parts, record.subarray(from)]), at }
}

function unresolved(why: string): Error {
  return damaged('BODY_UNRESOLVED', why)
}

/** Reads the column `bodies`. Throws `ARCHIVE_DAMAGED` for anything else. */
export function parseReferences(value: Buffer): readonly BodyReference[] {
  try {
    const parsed: unknown = JSON.parse(value.toString())
    return references.parse(parsed)
  } catch {
    throw unresolved('what a record says of its bodies cannot be read')
  }
}

/** The record as it was, from what is stored of it and its bodies. */
export function putBack(
  stored: Buffer,
  bodies: readonly { readonly at: number; readonly bytes: Buffer }[],
): Buffer {
  const parts: Buffer[] = []
  let from = 0
  for (const { at, bytes } of bodies) {
    const end = at + placeholder.length
    if (at < from || !stored.subarray(at, end).equals(placeholder))
      throw unresolved('a record has no place for its body')
    parts.push(stored.subarray(from, at), bytes)
    from = end
  }
  return Buffer.concat([...parts, stored.subarray(from)])
}
