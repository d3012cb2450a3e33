import { INVISIBLE } from './chars.ts'
import { unicodeAt } from './escapes.ts'

/** From an offset of a decoded text to the offset of the same place in the text it was decoded from. */
export type OffsetMap = (offset: number) => number

const unitSize = (bytes: Uint8Array, escape: number): number => (bytes[escape + 1] === 117 ? 6 : 2)

/** Map for a JSON string whose content begins at `start`: each call walks on from the last one, a call further back starts anew. */
export const createOffsetMap = (bytes: Uint8Array, start: number): OffsetMap => {
  let raw = start
  let plain = 0
  return offset => {
    if (offset < plain) {
      raw = start
      plain = 0
    }
    while (plain < offset) {
      while (plain < offset && bytes[raw] !== 92) {
        raw++
        plain++
      }
      if (plain === offset) break
      const size = unitSize(bytes, raw)
      if (size < 6 || unicodeAt(bytes, raw) !== INVISIBLE) plain++
      raw += size
    }
    return raw
  }
}
