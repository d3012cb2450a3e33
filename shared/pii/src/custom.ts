import { isAlnum } from './chars.ts'
import { validators, type ValidatorName } from './checks.ts'
import { at, type Leaf, sliceOf } from './leaf.ts'
import { compilePattern, type Pattern } from './pattern.ts'
import { PatternError } from './pattern-parse.ts'
import { type Openings, placeholderEnd } from './placeholder.ts'
import { piiTypes } from './types.ts'

/** A kind of a person's own: what matches the pattern as a whole token, passes the check and stands near one of the words. */
export interface CustomKind {
  /** As in findings and placeholders: capitals and underscores. */
  readonly name: string
  /** Characters, classes, groups, alternatives and counts; every match takes linear time. */
  readonly pattern: string
  readonly validator?: ValidatorName | undefined
  /** Where given, one of them must stand in the key path or within 60 characters before the value. */
  readonly words?: readonly string[] | undefined
}

/** A custom kind, ready to look. */
export interface CompiledKind {
  readonly name: string
  readonly pattern: Pattern
  readonly validator: ValidatorName | undefined
  readonly words: ReadonlySet<string>
}

const NAME_FORM = /^[A-Z][A-Z_]{1,30}$/
const WORD_FORM = /^[\p{L}\p{N}]{2,40}$/u
const WORDS_MAX = 100
const REACH = 60

/** Why a custom kind cannot be used, and in which of its fields. */
export interface KindIssue {
  readonly field: keyof CustomKind
  readonly problem: string
}

const patternIssue = (pattern: string): readonly KindIssue[] => {
  try {
    compilePattern(pattern)
    return []
  } catch (error) {
    if (error instanceof PatternError) return [{ field: 'pattern', problem: `${error.message}.` }]
    throw error
  }
}

const isTakenName = (name: string): boolean => piiTypes.some(type => type === name)

export const kindIssues = ({ name, pattern, validator, words }: CustomKind): readonly KindIssue[] => [
  ...(NAME_FORM.test(name)
    ? []
    : [{ field: 'name', problem: 'must be 2 to 31 capitals and underscores.' } as const]),
  ...(isTakenName(name) ? [{ field: 'name', problem: 'is a kind already.' } as const] : []),
  ...patternIssue(pattern),
  ...(validator === undefined || Object.hasOwn(validators, validator)
    ? []
    : [{ field: 'validator', problem: `is not one of ${Object.keys(validators).join(', ')}.` } as const]),
  ...(words === undefined ||
  (words.length > 0 && words.length <= WORDS_MAX && words.every(word => WORD_FORM.test(word)))
    ? []
    : [{ field: 'words', problem: `must be 1 to ${WORDS_MAX} single words.` } as const]),
]

export const compileKind = ({ name, pattern, validator, words }: CustomKind): CompiledKind => ({
  name,
  pattern: compilePattern(pattern),
  validator,
  words: new Set(words?.map(word => word.toLowerCase())),
})

/** Words of a key path or a text: split at signs and where capitals begin, in small letters. */
const wordsOf = (text: string): readonly string[] =>
  text
    .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)

const isExplained = (kind: CompiledKind, leaf: Leaf, place: { start: number; path: string }): boolean => {
  if (kind.words.size === 0) return true
  const before = sliceOf(leaf, Math.max(leaf.start, place.start - REACH), place.start)
  return [...wordsOf(place.path), ...wordsOf(before)].some(word => kind.words.has(word))
}

const isSound = (kind: CompiledKind, value: string): boolean =>
  kind.validator === undefined ||
  validators[kind.validator](
    value
      .normalize('NFKC')
      .replace(/[^\p{L}\p{N}]/gu, '')
      .toUpperCase(),
  )

/** Letters and digits on both sides of an offset belong to one token. */
const isInside = (leaf: Leaf, i: number): boolean => isAlnum(at(leaf, i - 1)) && isAlnum(at(leaf, i))

const longestEnd = (kind: CompiledKind, leaf: Leaf, span: { start: number; end: number }): number =>
  kind.pattern.ends(leaf.bytes, span.start, span.end).findLast(end => !isInside(leaf, end)) ?? -1

/** Stretches of a leaf between what was masked before. */
function* openStretches(leaf: Leaf, openings: Openings): Generator<{ start: number; end: number }> {
  let start = leaf.start
  for (let i = leaf.start; i < leaf.end; i++) {
    const end = leaf.bytes[i] === 91 ? placeholderEnd(leaf.bytes, { start: i, to: leaf.end }, openings) : -1
    if (end < 0) continue
    yield { start, end: i }
    start = end
    i = end - 1
  }
  yield { start, end: leaf.end }
}

const findKind = (
  kind: CompiledKind,
  leaf: Leaf,
  place: { start: number; end: number; path: string },
): void => {
  for (let i = place.start; i < place.end; i++) {
    if (!kind.pattern.begins(leaf.bytes[i] ?? 0) || isInside(leaf, i)) continue
    const end = longestEnd(kind, leaf, { start: i, end: place.end })
    if (
      end < 0 ||
      !isSound(kind, sliceOf(leaf, i, end)) ||
      !isExplained(kind, leaf, { start: i, path: place.path })
    )
      continue
    leaf.marks.push({ type: 'OTHER', kind: kind.name, start: i, end, score: 1 })
    i = end - 1
  }
}

/** Custom kinds of one policy, and how what was masked before begins. */
export interface Kinds {
  readonly all: readonly CompiledKind[]
  readonly openings: Openings
  /** Nothing else is looked for. */
  readonly isAlone: boolean
}

/** Marks what custom kinds find in a leaf, in order and without overlaps: the earlier one, then the longer one stays. */
export const markKinds = ({ all, openings }: Kinds, leaf: Leaf, path: string): void => {
  for (const { start, end } of openStretches(leaf, openings))
    for (const kind of all) findKind(kind, leaf, { start, end, path })
  const ordered = leaf.marks.toSorted((a, b) => a.start - b.start || b.end - a.end)
  leaf.marks = []
  for (const mark of ordered) if (mark.start >= (leaf.marks.at(-1)?.end ?? leaf.start)) leaf.marks.push(mark)
}
