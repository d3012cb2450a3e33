import type { Hit, Leaf } from './leaf.ts'
import { type PiiType, piiTypes } from './types.ts'

const LENGTH_MAX = 96
const FORM = new RegExp(
  `^\\[(?:${piiTypes.join('|')})(?:[:#][A-Za-z0-9_-]{1,64}| \\*{3}[A-Za-z0-9]{0,8})?\\]`,
)

/** What stands in a text instead of a value: `[EMAIL]`, `[EMAIL:token]`, `[EMAIL#hash]`, `[EMAIL ***last]`; safe inside any JSON string. */
export const placeholder = (type: PiiType, detail = ''): string => `[${type}${detail}]`

/** Whether a hit lies inside, or begins with, something an earlier masking left. */
export const isPlaceholder = (leaf: Leaf, hit: Hit): boolean => {
  const open = leaf.text.lastIndexOf('[', hit.start)
  if (open < leaf.start || hit.start - open > LENGTH_MAX) return false
  const found = FORM.exec(leaf.text.slice(open, open + LENGTH_MAX))
  return found !== null && hit.start < open + found[0].length
}
