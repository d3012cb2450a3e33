import type { Escapes } from './escapes.ts'
import type { OffsetMap } from './source.ts'

/** Map for a JSON string whose content begins at `start`: each call goes on from the last one, a call further back starts anew. */
export const createOffsetMap = (escapes: Escapes, start: number): OffsetMap => {
  let passed = 0
  return offset => {
    const { at, shift, count } = escapes
    if (passed > 0 && (at[passed - 1] ?? 0) >= offset) passed = 0
    while (passed < count && (at[passed] ?? 0) < offset) passed++
    return offset + (passed === 0 ? start : (shift[passed - 1] ?? 0))
  }
}
