import { isUtf8 } from 'node:buffer'
import { createLineTap, splitArray, type LineTap } from '../lines.ts'
import { maxBodyBytes } from '../describe.ts'
import type { Channel } from '../observe.ts'
import type { Body, Direction } from '../record.ts'

/** More messages than this in one line are one rejected line. */
export const maxBatchMessages = 1000

/** A message with its bytes. */
type Part = readonly [message: unknown, bytes: Uint8Array]

/** What a text holds: its messages, or why there is none. */
export type Reading = { readonly parts: readonly Part[] } | { readonly fault: string }

export function rawBody(raw: Uint8Array): Body {
  return { raw, sizeBytes: raw.length }
}

function parse(text: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.length).toString()) }
  } catch {
    return undefined
  }
}

/** Reads one message, or the messages of an array. */
export function readMessages(text: Uint8Array): Reading {
  if (!isUtf8(text)) return { fault: 'invalid_utf8' }
  const parsed = parse(text)
  if (parsed === undefined) return { fault: 'invalid_json' }
  const { value } = parsed
  if (!Array.isArray(value)) return { parts: [[value, text]] }
  if (value.length === 0 || value.length > maxBatchMessages) return { fault: 'invalid_request' }
  return { parts: splitArray(text).map((part, index): Part => [value[index], part]) }
}

/** Reads the messages of one direction of a stdio connection, as the bytes that they are. */
export function tapWire(
  channel: Channel,
  direction: Direction,
  onMessage?: (message: unknown) => void,
): LineTap {
  const onLine = (line: Uint8Array): void => {
    const reading = readMessages(line)
    if ('fault' in reading) return channel.reject(direction, reading.fault, rawBody(line))
    for (const [message, bytes] of reading.parts) {
      channel.message({ direction, message, body: rawBody(bytes) })
      onMessage?.(message)
    }
  }
  return createLineTap(maxBodyBytes, {
    onLine,
    onLongLine: (raw, sizeBytes) => channel.reject(direction, 'too_large', { raw, sizeBytes }),
  })
}
