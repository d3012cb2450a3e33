import { AppError } from '@muniment/schema'

/** Patterns see at most this many characters of a value, so that the one unbounded repeat they may hold stays cheap. */
const longestInput = 2048

interface Shape {
  unbounded: number
  bounded: number
  /** Per open group: whether something inside repeats. */
  readonly groups: boolean[]
  lastGroupRepeats: boolean
}

function refuse(pattern: string, why: string): never {
  throw new AppError('CONFIG_INVALID', `the pattern ${JSON.stringify(pattern)} ${why}`, {
    hint: 'Write it with at most one unbounded repeat, no repeat of a repeat and no back-reference.',
  })
}

/** Characters of `pattern` with classes and escapes reduced to one neutral letter each. */
function skeleton(pattern: string): string {
  return pattern
    .replaceAll(/\\[^dDwWsSbBnrtvf.*+?^${}()|[\]\\/"'<>=:;,!@#%&~` -]/gu, '\\1')
    .replaceAll(/\\[^1]/gu, 'a')
    .replaceAll(/\[(?:[^\]\\]|\\.){0,512}\]/gu, 'a')
}

/** How often at most the quantifier at the start of `text` repeats: 1 for `?`, Infinity for `*`, `+` and `{n,}`. */
function mostRepeats(text: string): number {
  const bounds = /^\{(\d{1,4})(,?)(\d{0,4})\}/u.exec(text)
  if (bounds === null) return text.startsWith('?') ? 1 : Infinity
  const [, least = '', comma, most = ''] = bounds
  if (most !== '') return Number(most)
  return comma === ',' ? Infinity : Number(least)
}

function onQuantifier(shape: Shape, text: string, repeatsGroup: boolean): string | undefined {
  const most = mostRepeats(text)
  if (most <= 1) return undefined
  if (repeatsGroup) return 'repeats a group that repeats'
  if (most === Infinity) shape.unbounded += 1
  else shape.bounded *= most
  if (shape.groups.length > 0) shape.groups[shape.groups.length - 1] = true
  return undefined
}

function step(shape: Shape, text: string, index: number): string | undefined {
  const char = text[index]
  if (char === '(') shape.groups.push(false)
  else if (char === ')') {
    shape.lastGroupRepeats = shape.groups.pop() ?? false
    if (shape.lastGroupRepeats && shape.groups.length > 0) shape.groups[shape.groups.length - 1] = true
  } else if (/^(?:[*+]|\{\d)/u.test(text.slice(index, index + 2))) {
    return onQuantifier(
      shape,
      text.slice(index, index + 12),
      text[index - 1] === ')' && shape.lastGroupRepeats,
    )
  }
  return undefined
}

function check(pattern: string): Shape {
  if (pattern.length > 1024) refuse(pattern.slice(0, 40), 'is longer than 1,024 characters')
  const text = skeleton(pattern)
  if (text.includes('\\1') || text.includes('(?<') || text.includes('\\k'))
    refuse(pattern, 'refers back or looks behind')
  const shape: Shape = { unbounded: 0, bounded: 1, groups: [], lastGroupRepeats: false }
  for (let index = 0; index < text.length; index += 1) {
    const problem = step(shape, text, index)
    if (problem !== undefined) refuse(pattern, problem)
  }
  if (shape.unbounded > 1) refuse(pattern, 'has more than one unbounded repeat')
  if (shape.bounded > 10_000) refuse(pattern, 'multiplies bounded repeats beyond 10,000')
  return shape
}

/** A regular expression that cannot run away. */
export interface Pattern {
  readonly test: (value: string) => boolean
  /** Steps that it may take at most on a text of that length, in units of one character compared. */
  readonly cost: (length: number) => number
  /** In lower case: a text without it does not match. */
  readonly need: string | undefined
}

/** The longest run of plain characters outside groups, classes and alternatives that no quantifier takes back. */
function needOf(pattern: string): string | undefined {
  if (pattern.includes('|') || pattern.includes('(')) return undefined
  const plain = pattern
    .replaceAll(/\[(?:[^\]\\]|\\.){0,512}\](?:[*+?]|\{[^}]{0,12}\})?/gu, '\u{1}')
    .replaceAll(/\\[dDwWsSbBnrtvf0xuk](?:[*+?]|\{[^}]{0,12}\})?/gu, '\u{1}')
    .replaceAll(/(?:\\.|[^\\])(?:[*?]|\{0?,?\d{0,4}\})/gu, '\u{1}')
    .replaceAll(/[.^$+]|\{[^}]{0,12}\}/gu, '\u{1}')
    .replaceAll(/\\(.)/gu, '$1')
  const longest = plain.split('\u{1}').reduce((best, run) => (run.length > best.length ? run : best), '')
  return longest.length < 3 ? undefined : longest.toLowerCase()
}

/** Compiles a pattern; refused at load (`CONFIG_INVALID`) where it could take more than bounded time. */
export function compilePattern(pattern: string, flags: string): Pattern {
  const { unbounded, bounded } = check(pattern)
  const regex = new RegExp(pattern, `${flags}u`)
  return {
    test: value => regex.test(value.length > longestInput ? value.slice(0, longestInput) : value),
    // One unbounded repeat may be tried from every place; most tries end early, so an eighth of the square is charged.
    cost: length => {
      const seen = Math.min(length, longestInput)
      return seen * Math.min(bounded, 64) + (unbounded === 0 ? 0 : (seen * seen) / 8)
    },
    // Without regard to case, `s` and `k` have relatives that lower case does not bring together.
    need: flags.includes('i') && /[sk]/u.test(needOf(pattern) ?? '') ? undefined : needOf(pattern),
  }
}
