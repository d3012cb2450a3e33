import { type Hit, type Leaf, sliceOf } from './leaf.ts'
import { type PiiType, piiTypes } from './types.ts'

const LENGTH_MAX = 96
const FORM = new RegExp(
  `^\\[(?:${piiTypes.join('|')})(?:[:#][A-Za-z0-9_-]{1,64}| \\*{3}[A-Za-z0-9]{0,8})?\\]`,
)

/** What stands in a text instead of a value: `[EMAIL]`, `[EMAIL:token]`, `[EMAIL#hash]`, `[EMAIL ***last]`; safe inside any JSON string. */
export const placeholder = (type: PiiType, detail = ''): string => `[${type}${detail}]`

const bracketBefore = (leaf: Leaf, start: number): number => {
  const limit = Math.max(leaf.start, start - LENGTH_MAX)
  for (let i = start; i >= limit; i--) if (leaf.bytes[i] === 91) return i
  return -1
}

/** Whether a hit lies inside, or begins with, something an earlier masking left. */
export const isPlaceholder = (leaf: Leaf, hit: Hit): boolean => {
  const open = bracketBefore(leaf, hit.start)
  if (open < 0) return false
  const found = FORM.exec(sliceOf(leaf, open, open + LENGTH_MAX))
  return found !== null && hit.start < open + found[0].length
}
