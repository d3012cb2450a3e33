import { INVISIBLE } from './chars.ts'
import { unicodeAt } from './escapes.ts'
import type { OffsetMap } from './source.ts'

const unitSize = (bytes: Uint8Array, escape: number): number => (bytes[escape + 1] === 117 ? 6 : 2)

/** Map for a JSON string whose content begins at `start`: each call walks on from the last one, a call further back starts anew. */
export const createOffsetMap = (bytes: Uint8Array, start: number): OffsetMap => {
  let raw = start
  let plain = 0
  return offset => {
    let from = offset < plain ? start : raw
    let passed = offset < plain ? 0 : plain
    while (passed < offset) {
      const size = bytes[from] === 92 ? unitSize(bytes, from) : 1
      if (size < 6 || unicodeAt(bytes, from) !== INVISIBLE) passed++
      from += size
    }
    raw = from
    plain = offset
    return from
  }
}
