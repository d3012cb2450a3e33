import { isAlnum, isDigit } from './chars.ts'
import { at, type Hit, type Leaf } from './leaf.ts'
import { placeholder } from './placeholder.ts'

/** A letter, digit or low line, or a sign that may join what stands on its other side, right before or behind. */
const isHeld = (leaf: Leaf, i: number, step: number): boolean => {
  const c = at(leaf, i)
  if (isAlnum(c) || c === 95) return true
  return (c === 45 || c === 46 || c === 58) && at(leaf, i + step) > 32
}

/** A slash or the sign of a percent code before a letter or digit, or a blank or plus before a digit. */
const isFollowed = (leaf: Leaf, end: number): boolean => {
  const c = at(leaf, end)
  const next = at(leaf, end + 1)
  return ((c === 47 || c === 37) && isAlnum(next)) || (((c > 0 && c <= 32) || c === 43) && isDigit(next))
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

/** A placeholder in a masked text, and what it stands for. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly hit: Hit
}

interface Form {
  readonly text: string
  readonly stretches: readonly Stretch[]
}

const masked = (text: string, found: readonly Hit[]): Form => {
  const stretches: Stretch[] = []
  let out = ''
  let behind = 0
  for (const hit of found) {
    out += text.slice(behind, hit.start)
    const from = out.length
    out += placeholder(hit.kind ?? hit.type)
    stretches.push({ from, to: out.length, hit })
    behind = hit.end
  }
  return { text: out + text.slice(behind), stretches }
}

/** The offset in the text that was masked; inside a placeholder, where what it stands for starts or ends. */
const unmasked = ({ stretches }: Form, offset: number, side: 'start' | 'end'): number => {
  const least = side === 'start' ? offset : offset - 1
  const last = stretches.findLast(({ from }) => from <= least)
  if (last === undefined) return offset
  return offset < last.to ? last.hit[side] : offset - last.to + last.hit.end
}

const placed = (form: Form, hit: Hit): Hit => ({
  ...hit,
  start: unmasked(form, hit.start, 'start'),
  end: unmasked(form, hit.end, 'end'),
})

/** In order; finds that overlap become one, of the kind that begins first. */
const joined = (found: readonly Hit[]): readonly Hit[] => {
  const all: Hit[] = []
  for (const hit of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = all.at(-1)
    if (last === undefined || hit.start >= last.end) all.push(hit)
    else if (hit.end > last.end) all[all.length - 1] = { ...last, end: hit.end }
  }
  return all
}

const moved = (hit: Hit, by: number): Hit => ({ ...hit, start: hit.start + by, end: hit.end + by })

/** Each round masks what the last one found; few texts take a second, and only short ones may take more than three. */
const ROUNDS_MAX = 3
const READ_MAX = 1 << 12

/** The finds of a leaf, settled, with those that are hidden by them: it is read as it will stand once they are masked, so that to mask it twice changes nothing. */
export const withHidden = (
  { source, start, end }: Leaf,
  settled: readonly Hit[],
  read: (masked: string) => readonly Hit[],
): Hit[] => {
  const text = source.text().slice(start, end)
  let all: readonly Hit[] = settled.map(hit => moved(hit, -start))
  for (let round = 0; round < ROUNDS_MAX || round * text.length < READ_MAX; round++) {
    const form = masked(text, all)
    const more = read(form.text)
    if (more.length === 0) break
    all = joined([...all, ...more.map(hit => placed(form, hit))])
  }
  return all.map(hit => moved(hit, start))
}
