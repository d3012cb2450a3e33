import { isAlnum, isDigit } from './chars.ts'
import { at, type Hit, type Leaf } from './leaf.ts'
import { placeholder, quoteAt } from './placeholder.ts'
import type { Found } from './scan.ts'

/** A letter, digit or low line, or a sign that joins one, right before or behind. */
const isHeld = (leaf: Leaf, i: number, step: number): boolean => {
  const c = at(leaf, i)
  if (isAlnum(c) || c === 95) return true
  const next = at(leaf, i + step)
  return (c === 45 || c === 46 || c === 58) && (isAlnum(next) || next === 58)
}

/** A slash or the sign of a percent code before a letter or digit, or a blank before a digit. */
const isFollowed = (leaf: Leaf, end: number): boolean => {
  const c = at(leaf, end)
  const next = at(leaf, end + 1)
  return ((c === 47 || c === 37) && isAlnum(next)) || (c > 0 && c <= 32 && isDigit(next))
}

/** Whether what was found touches what was not: masked, it might let that be read. */
export const isGlued = (leaf: Leaf, { start, end }: Hit): boolean =>
  isHeld(leaf, start - 1, -1) || isHeld(leaf, end, 1) || isFollowed(leaf, end)

/** A placeholder in a masked text, and what it stands for. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly one: Found
}

interface Form {
  readonly text: string
  readonly stretches: readonly Stretch[]
}

const insteadOf = ({ type, kind, isNumber, level }: Found): string => {
  const quote = isNumber ? quoteAt(level) : ''
  return `${quote}${placeholder(kind ?? type)}${quote}`
}

const masked = (text: string, found: readonly Found[]): Form => {
  const stretches: Stretch[] = []
  let out = ''
  let behind = 0
  for (const one of found) {
    out += text.slice(behind, one.start)
    const from = out.length
    out += insteadOf(one)
    stretches.push({ from, to: out.length, one })
    behind = one.end
  }
  return { text: out + text.slice(behind), stretches }
}

/** The offset in the text that was masked; inside a placeholder, where what it stands for starts or ends. */
const unmasked = ({ stretches }: Form, offset: number, side: 'start' | 'end'): number => {
  const least = side === 'start' ? offset : offset - 1
  const last = stretches.findLast(({ from }) => from <= least)
  if (last === undefined) return offset
  return offset < last.to ? last.one[side] : offset - last.to + last.one.end
}

const placed = (form: Form, one: Found): Found => ({
  ...one,
  start: unmasked(form, one.start, 'start'),
  end: unmasked(form, one.end, 'end'),
})

/** In order; finds that overlap become one, of the kind that begins first. */
const joined = (found: readonly Found[]): readonly Found[] => {
  const all: Found[] = []
  for (const one of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = all.at(-1)
    if (last === undefined || one.start >= last.end) all.push(one)
    else if (one.end > last.end) all[all.length - 1] = { ...last, end: one.end }
  }
  return all
}

/** Each round masks what the last one found; few texts take a second. */
const ROUNDS_MAX = 3

/** Finds with those that are hidden by them: read from the text as it will stand once they are masked, so that to mask it twice changes nothing. */
export const withHidden = (
  text: string,
  found: readonly Found[],
  read: (masked: string) => readonly Found[],
): readonly Found[] => {
  let all = found
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const form = masked(text, all)
    const more = read(form.text)
    if (more.length === 0) return all
    all = joined([...all, ...more.map(one => placed(form, one))])
  }
  return all
}
