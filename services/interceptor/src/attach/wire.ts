import { isUtf8 } from 'node:buffer'
import { createLineTap, splitArray, type LineTap } from '../lines.ts'
import { maxBodyBytes } from '../describe.ts'
import type { Channel } from '../observe.ts'
import type { Body, Direction } from '../record.ts'

/** More messages than this in one line are one rejected line. */
const maxBatchMessages = 1000

function rawBody(raw: Uint8Array): Body {
  return { raw, sizeBytes: raw.length }
}

function parse(line: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.length).toString()) }
  } catch {
    return undefined
  }
}

/** The messages of one line with their bytes; `undefined` where an array is empty or too long. */
function messagesOf(
  line: Uint8Array,
  value: unknown,
): readonly (readonly [unknown, Uint8Array])[] | undefined {
  if (!Array.isArray(value)) return [[value, line]]
  if (value.length === 0 || value.length > maxBatchMessages) return undefined
  return splitArray(line).map((part, index): [unknown, Uint8Array] => [value[index], part])
}

function observeLine(channel: Channel, direction: Direction, line: Uint8Array): void {
  if (!isUtf8(line)) return channel.reject(direction, 'invalid_utf8', rawBody(line))
  const parsed = parse(line)
  if (parsed === undefined) return channel.reject(direction, 'invalid_json', rawBody(line))
  const messages = messagesOf(line, parsed.value)
  if (messages === undefined) return channel.reject(direction, 'invalid_request', rawBody(line))
  for (const [message, bytes] of messages) channel.message({ direction, message, body: rawBody(bytes) })
}

/** Reads the messages of one direction of a stdio connection, as the bytes that they are. */
export function tapWire(channel: Channel, direction: Direction): LineTap {
  return createLineTap(maxBodyBytes, {
    onLine: line => observeLine(channel, direction, line),
    onLongLine: (raw, sizeBytes) => channel.reject(direction, 'too_large', { raw, sizeBytes }),
  })
}
