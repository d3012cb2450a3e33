import { isAlnum, isDigit } from './chars.ts'
import { at, type Hit, type Leaf } from './leaf.ts'
import { placeholder } from './placeholder.ts'

/** A letter, digit or low line, or a sign that may join what stands on its other side, right before or behind. */
const isHeld = (leaf: Leaf, i: number, step: number): boolean => {
  const c = at(leaf, i)
  if (isAlnum(c) || c === 95) return true
  return (c === 45 || c === 46 || c === 58) && at(leaf, i + step) > 32
}

/** A slash or the sign of a percent code before a letter or digit, or a blank before a digit. */
const isFollowed = (leaf: Leaf, end: number): boolean => {
  const c = at(leaf, end)
  const next = at(leaf, end + 1)
  return ((c === 47 || c === 37) && isAlnum(next)) || (c > 0 && c <= 32 && isDigit(next))
}

const PORT_MAX = 5

/** `:8080` or `/24` behind an address, with nothing that might go on: too short for any number. */
const isPort = (leaf: Leaf, end: number): boolean => {
  if (at(leaf, end) !== 58 && at(leaf, end) !== 47) return false
  let i = end + 1
  while (i - end <= PORT_MAX && isDigit(at(leaf, i))) i++
  const c = at(leaf, i)
  return i > end + 1 && (c === 0 || c === 44 || (c <= 32 && !isDigit(at(leaf, i + 1))))
}

const isGlued = (leaf: Leaf, { start, end }: Hit): boolean =>
  isHeld(leaf, start - 1, -1) || ((isHeld(leaf, end, 1) || isFollowed(leaf, end)) && !isPort(leaf, end))

/** Whether what was found touches what was not: masked, it might let that be read. */
export const mayHide = (leaf: Leaf): boolean => {
  for (const hit of leaf.hits) if (isGlued(leaf, hit)) return true
  return leaf.isGlued
}

interface Span {
  readonly start: number
  readonly end: number
}

/** A placeholder in a masked text, and what it stands for. */
interface Stretch<T> {
  readonly from: number
  readonly to: number
  readonly one: T
}

interface Form<T> {
  readonly text: string
  readonly stretches: readonly Stretch<T>[]
}

const masked = <T extends Span>(
  text: string,
  found: readonly T[],
  insteadOf: (one: T) => string,
): Form<T> => {
  const stretches: Stretch<T>[] = []
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
const unmasked = <T extends Span>({ stretches }: Form<T>, offset: number, side: 'start' | 'end'): number => {
  const least = side === 'start' ? offset : offset - 1
  const last = stretches.findLast(({ from }) => from <= least)
  if (last === undefined) return offset
  return offset < last.to ? last.one[side] : offset - last.to + last.one.end
}

const placed = <T extends Span>(form: Form<T>, one: T): T => ({
  ...one,
  start: unmasked(form, one.start, 'start'),
  end: unmasked(form, one.end, 'end'),
})

/** In order; finds that overlap become one, of the kind that begins first. */
const joined = <T extends Span>(found: readonly T[]): readonly T[] => {
  const all: T[] = []
  for (const one of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = all.at(-1)
    if (last === undefined || one.start >= last.end) all.push(one)
    else if (one.end > last.end) all[all.length - 1] = { ...last, end: one.end }
  }
  return all
}

/** Each round masks what the last one found; few texts take a second, and only short ones may take more than three. */
const ROUNDS_MAX = 3
const READ_MAX = 1 << 14

/** How a text is read once finds are masked. */
interface Reading<T> {
  readonly insteadOf: (one: T) => string
  readonly read: (masked: string) => readonly T[]
}

/** Finds with those that are hidden by them: read from the text as it will stand once they are masked, so that to mask it twice changes nothing. */
export const withHidden = <T extends Span>(
  text: string,
  found: readonly T[],
  { insteadOf, read }: Reading<T>,
): readonly T[] => {
  let all = found
  for (let round = 0; round < ROUNDS_MAX || round * text.length < READ_MAX; round++) {
    const form = masked(text, all, insteadOf)
    const more = read(form.text)
    if (more.length === 0) return all
    all = joined([...all, ...more.map(one => placed(form, one))])
  }
  return all
}

const moved = ({ type, kind, start, end, score }: Hit, by: number): Hit => ({
  type,
  kind,
  start: start + by,
  end: end + by,
  score,
})

const insteadOf = ({ type, kind }: Hit): string => placeholder(kind ?? type)

/** The finds of a leaf, settled, with those that are hidden by them. */
export const withHiddenIn = (
  leaf: Leaf,
  settled: readonly Hit[],
  read: (masked: string) => readonly Hit[],
): Hit[] => {
  const { start, end } = leaf
  const found = settled.map(hit => moved(hit, -start))
  const all = withHidden(leaf.source.text().slice(start, end), found, { insteadOf, read })
  return all.map(hit => moved(hit, start))
}
