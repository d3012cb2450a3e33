import { isDigit } from '../chars.ts'
import { addHit, at, type Leaf } from '../leaf.ts'
import type { Recognizer } from '../recognizer.ts'

const LINE_MAX = 44

const isZone = (c: number): boolean => isDigit(c) || (c >= 65 && c <= 90) || c === 60

/** Value of a character in the check digit of ICAO 9303 part 3, 4.9. */
const valueOf = (c: number): number => {
  if (isDigit(c)) return c - 48
  return c === 60 ? 0 : c - 55
}

const WEIGHTS = [7, 3, 1]

/** Whether the digit behind [from, to) is the check digit of what lies there. */
const passes = (leaf: Leaf, from: number, to: number): boolean => {
  let sum = 0
  for (let i = from; i < to; i++) sum += valueOf(at(leaf, i)) * (WEIGHTS[(i - from) % 3] ?? 0)
  return isDigit(at(leaf, to)) && sum % 10 === at(leaf, to) - 48
}

/** The second of three lines: birth, sex and expiry. */
const isDated = (leaf: Leaf, start: number): boolean =>
  passes(leaf, start, start + 6) && passes(leaf, start + 8, start + 14) && !isDigit(at(leaf, start + 7))

/** Lines of passports (44) and of cards in three (30) or two lines (36): number and, where they stand on it, dates must check. */
const isChecked = (leaf: Leaf, start: number, end: number): boolean => {
  if (end - start === 30) return passes(leaf, start + 5, start + 14) || isDated(leaf, start)
  if (end - start !== 44 && end - start !== 36) return false
  return (
    passes(leaf, start, start + 9) &&
    passes(leaf, start + 13, start + 19) &&
    passes(leaf, start + 21, start + 27)
  )
}

/** Start of the zone's line before, when it ends right before `start` with one line break. */
const lineBefore = (leaf: Leaf, start: number): number => {
  const end = at(leaf, start - 2) === 13 ? start - 2 : start - 1
  if (at(leaf, start - 1) !== 10) return start
  let i = end
  while (end - i < LINE_MAX && isZone(at(leaf, i - 1))) i--
  return end - i >= 30 ? i : start
}

/** End of the zone's last line, when `end` is followed by one line break and it. */
const lineAfter = (leaf: Leaf, end: number): number => {
  let i = at(leaf, end) === 13 ? end + 1 : end
  if (at(leaf, i) !== 10) return end
  const start = ++i
  while (i - start < LINE_MAX && isZone(at(leaf, i))) i++
  return i - start >= 30 ? i : end
}

/** A zone in three lines goes on behind the line that was read. */
const zoneEnd = (leaf: Leaf, start: number, end: number): number => {
  if (end - start !== 30) return end
  const next = lineAfter(leaf, end)
  return isDated(leaf, start) ? next : lineAfter(leaf, next)
}

const onLong = (leaf: Leaf, from: number, to: number): void => {
  let start = from
  let end = to
  while (to - start <= LINE_MAX && isZone(at(leaf, start - 1))) start--
  while (end - start <= LINE_MAX && isZone(at(leaf, end))) end++
  for (let i = start; i < end; i++) if (!isZone(at(leaf, i))) return
  if (isChecked(leaf, start, end))
    addHit(leaf, {
      type: 'PASSPORT',
      start: lineBefore(leaf, start),
      end: zoneEnd(leaf, start, end),
      score: 1,
    })
}

/** Machine-readable zones of ICAO 9303, by the check digits of number, birth and expiry. */
export const mrz: Recognizer = { type: 'PASSPORT', onLong }
