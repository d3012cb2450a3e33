/** One part of a pattern, over folded codes. */
export type Node =
  | { readonly kind: 'set'; readonly has: readonly boolean[] }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number }

/** Codes of a folded text: ASCII, and four for all that is not. */
export const CODES = 132
const PATTERN_MAX = 200
const DEPTH_MAX = 12
const COUNT_MAX = 100

const setOf = (test: (code: number) => boolean): readonly boolean[] =>
  Array.from({ length: CODES }, (_, code) => test(code))

const inRange =
  (from: number, to: number) =>
  (code: number): boolean =>
    code >= from && code <= to

const isDigit = inRange(48, 57)
const isWord = (code: number): boolean =>
  isDigit(code) ||
  inRange(65, 90)(code) ||
  inRange(97, 122)(code) ||
  code === 95 ||
  code === 128 ||
  code === 129
const isBlank = (code: number): boolean => code === 32 || inRange(9, 13)(code)

const CLASSES: Readonly<Record<string, (code: number) => boolean>> = {
  d: isDigit,
  D: code => !isDigit(code),
  w: isWord,
  W: code => !isWord(code),
  s: isBlank,
  S: code => !isBlank(code),
}

const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9 }

/** Why a pattern cannot be used. */
export class PatternError extends Error {}

interface Reader {
  readonly text: string
  at: number
  depth: number
}

const peek = (reader: Reader): string => reader.text[reader.at] ?? ''

const take = (reader: Reader): string => reader.text[reader.at++] ?? ''

const asciiOf = (char: string): number => {
  const code = char.charCodeAt(0)
  if (code < 128) return code
  throw new PatternError('has a character outside ASCII; \\w stands for letters of any script')
}

/** What a backslash means: a class or one code. */
const takeEscape = (reader: Reader): ((code: number) => boolean) | number => {
  const char = take(reader)
  if (char === '') throw new PatternError('ends with a backslash')
  const test = CLASSES[char]
  if (test !== undefined) return test
  if (/[1-9k]/.test(char))
    throw new PatternError('refers back to a group: matching that takes more than linear time')
  if (/[bBAzZG]/.test(char)) throw new PatternError(`uses \\${char}: whole tokens are matched anyway`)
  if (/[a-zA-Z0]/.test(char)) {
    const code = CONTROLS[char]
    if (code === undefined) throw new PatternError(`uses \\${char}, which is not known here`)
    return code
  }
  return asciiOf(char)
}

const takeOne = (reader: Reader): ((code: number) => boolean) | number => {
  const char = take(reader)
  return char === '\\' ? takeEscape(reader) : asciiOf(char)
}

/** One member of a class: a code, a range, or a class of its own. */
const takeMember = (reader: Reader): ((code: number) => boolean) => {
  const from = takeOne(reader)
  if (typeof from !== 'number') return from
  if (peek(reader) !== '-' || reader.text[reader.at + 1] === ']') return inRange(from, from)
  reader.at++
  const to = takeOne(reader)
  if (typeof to !== 'number' || to < from) throw new PatternError('has a range that runs backwards')
  return inRange(from, to)
}

const takeClass = (reader: Reader): Node => {
  const isNegated = peek(reader) === '^'
  if (isNegated) reader.at++
  const members: ((code: number) => boolean)[] = []
  while (peek(reader) !== ']') {
    if (peek(reader) === '') throw new PatternError('has a [ that is never closed')
    members.push(takeMember(reader))
  }
  reader.at++
  return { kind: 'set', has: setOf(code => members.some(member => member(code)) !== isNegated) }
}

function takeGroup(reader: Reader): Node {
  if (++reader.depth > DEPTH_MAX) throw new PatternError(`nests groups more than ${DEPTH_MAX} deep`)
  if (peek(reader) === '?') {
    if (reader.text[reader.at + 1] !== ':')
      throw new PatternError('looks around or names a group: only (…) and (?:…) are linear here')
    reader.at += 2
  }
  const node = takeChoice(reader)
  if (take(reader) !== ')') throw new PatternError('has a ( that is never closed')
  reader.depth--
  return node
}

const refuseAtom = (char: string): void => {
  if (/[*+?{]/.test(char)) throw new PatternError(`repeats nothing before ${char}`)
  if (char === '^' || char === '$') throw new PatternError(`uses ${char}: whole tokens are matched anyway`)
}

const TAKERS: Readonly<Record<string, (reader: Reader) => Node>> = {
  '(': takeGroup,
  '[': takeClass,
  '.': () => ({ kind: 'set', has: setOf(code => code !== 10) }),
}

const takeAtom = (reader: Reader): Node => {
  refuseAtom(peek(reader))
  const taker = TAKERS[peek(reader)]
  if (taker !== undefined) {
    reader.at++
    return taker(reader)
  }
  const one = takeOne(reader)
  return { kind: 'set', has: setOf(typeof one === 'number' ? inRange(one, one) : one) }
}

const COUNTS: Readonly<Record<string, readonly [number, number]>> = {
  '*': [0, Infinity],
  '+': [1, Infinity],
  '?': [0, 1],
}

const COUNT_FORM = /^\{(\d{1,3})(?:(,)(\d{1,3})?)?\}/

const takeBraces = (reader: Reader): readonly [number, number] => {
  const found = COUNT_FORM.exec(reader.text.slice(reader.at))
  if (found === null) throw new PatternError('has a { that counts nothing')
  const [whole, least = '', comma, most] = found
  reader.at += whole.length
  const min = Number(least)
  const open = comma === undefined ? min : Infinity
  const max = most === undefined ? open : Number(most)
  if (max < min || min > COUNT_MAX || (max !== Infinity && max > COUNT_MAX))
    throw new PatternError(`repeats backwards or more than ${COUNT_MAX} times`)
  return [min, max]
}

const takeRepeat = (reader: Reader): Node => {
  const part = takeAtom(reader)
  const known = COUNTS[peek(reader)]
  if (known === undefined && peek(reader) !== '{') return part
  if (known !== undefined) reader.at++
  const [min, max] = known ?? takeBraces(reader)
  if (/[?+*{]/.test(peek(reader))) throw new PatternError('repeats a repetition: write it as a group')
  return { kind: 'repeat', part, min, max }
}

const takeSequence = (reader: Reader): Node => {
  const parts: Node[] = []
  while (reader.at < reader.text.length && peek(reader) !== '|' && peek(reader) !== ')')
    parts.push(takeRepeat(reader))
  return { kind: 'all', parts }
}

const takeChoice = (reader: Reader): Node => {
  const parts = [takeSequence(reader)]
  while (peek(reader) === '|') {
    reader.at++
    parts.push(takeSequence(reader))
  }
  return { kind: 'any', parts }
}

/** Reads a pattern: characters, classes, groups, alternatives and counts. Throws a {@link PatternError} for anything else. */
export const parsePattern = (text: string): Node => {
  if (text.length > PATTERN_MAX) throw new PatternError(`is longer than ${PATTERN_MAX} characters`)
  const reader: Reader = { text, at: 0, depth: 0 }
  const node = takeChoice(reader)
  if (reader.at < text.length) throw new PatternError('has a ) that was never opened')
  return node
}
