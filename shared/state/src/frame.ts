import { AppError } from '@muniment/schema'
import type { StateEntry } from './state.ts'

// A stored value begins with a mark and 16 random bytes, so that no two writes are alike, not even of the same value.
const mark = Buffer.from('mst1')
/** Random bytes before a value. */
export const nonceBytes = 16
/** Bytes before the value. */
export const headBytes = mark.length + nonceBytes

/** The stored form of a value. */
export function frame(nonce: Uint8Array, value: Uint8Array): Uint8Array {
  return Buffer.concat([mark, nonce, value])
}

/** The nonce of a stored value, hex. Throws `DISK_UNUSABLE` where the bytes are not ours. */
export function versionOf(stored: Uint8Array, name: string): string {
  const head = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).subarray(0, headBytes)
  if (head.length < headBytes || !head.subarray(0, mark.length).equals(mark))
    throw new AppError('DISK_UNUSABLE', `${name} is not an entry of the state.`, {
      hint: 'Something else wrote it, or it is damaged: move it away or restore it.',
    })
  return head.toString('hex', mark.length)
}

/** The value in its stored form, and the nonce as its version. */
export function unframe(stored: Uint8Array, name: string): StateEntry {
  return { version: versionOf(stored, name), value: stored.subarray(headBytes) }
}
