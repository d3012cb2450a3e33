import { isUtf8 } from 'node:buffer'
import { setImmediate as nextTick } from 'node:timers/promises'
import { maxRecordBytes } from '@muniment/schema'
import type { Digest } from './digest.ts'
import { maskLarge } from './mask-large.ts'
import type { MaskedMessage, MaskMessage } from './masked-message.ts'

/** Masked characters kept of each message of an event that does not fit into one record as a whole. */
const previewCharacters = 65_536

const decoder = new TextDecoder()

/** Length of the list that a result is about, where it has one. */
function countItems(message: unknown): number | undefined {
  if (typeof message !== 'object' || message === null || !('result' in message)) return undefined
  const { result } = message
  if (typeof result !== 'object' || result === null) return undefined
  const list = Object.values(result).find(value => Array.isArray(value))
  return Array.isArray(list) ? list.length : undefined
}

/** The message as a JSON value. The parse proves that what is spliced into the event cannot break or extend it. */
function asJson(
  text: string,
  bytes: Uint8Array,
): { readonly json: string; readonly itemCount: number | undefined } {
  if (!isUtf8(bytes)) return { json: JSON.stringify(text), itemCount: undefined }
  try {
    return { itemCount: countItems(JSON.parse(text)), json: text }
  } catch {
    return { json: JSON.stringify(text), itemCount: undefined }
  }
}

/** Masks a message whole. */
export function maskMessage(bytes: Uint8Array, mask: MaskMessage, digest: Digest): MaskedMessage {
  const { text, findings } = mask(decoder.decode(bytes))
  return { text, digest: digest(bytes), findings, isCut: false, ...asJson(text, bytes) }
}

/** A message that is longer than a record can be: only its beginning is kept, and others get their turn in between. */
export async function cutMessage(
  bytes: Uint8Array,
  mask: MaskMessage,
  digest: Digest,
): Promise<MaskedMessage> {
  const { text, findings } = await maskLarge(decoder.decode(bytes), mask)
  await nextTick()
  return { text, digest: digest(bytes), findings, isCut: true, json: '""', itemCount: undefined }
}

/** The beginning of a message, as a string. */
export function preview(message: MaskedMessage): MaskedMessage {
  if (message.text.length <= previewCharacters) return { ...message, json: JSON.stringify(message.text) }
  return { ...message, json: JSON.stringify(message.text.slice(0, previewCharacters)) }
}

/** Whether a message is longer than a record can be. */
export function isLarge(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && bytes.length > maxRecordBytes
}
