/** Letters of other scripts, and digits, that people read as Latin letters: Unicode's confusables (UTS 39), of those that names of tools use. */
const alike: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ['аɑα', 'a'],
    ['еєё', 'e'],
    ['оοσ0', 'o'],
    ['рρ', 'p'],
    ['сϲ', 'c'],
    ['уγ', 'y'],
    ['хχ', 'x'],
    ['іıι1l|', 'i'],
    ['ј', 'j'],
    ['ѕ5', 's'],
    ['һ', 'h'],
    ['ԁ', 'd'],
    ['ԛ', 'q'],
    ['ԝѡ', 'w'],
    ['к', 'k'],
    ['т', 't'],
    ['п', 'n'],
    ['ν', 'v'],
    ['ց', 'g'],
    ['3', 'e'],
  ].flatMap(([letters = '', letter = '']) => Array.from(letters, each => [each, letter])),
)

/** The name without case, and without what parts its words. */
function plain(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[-_./\s]/gu, '')
}

/** What people see of a name at a glance. */
function skeleton(name: string): string {
  return Array.from(plain(name), each => alike[each] ?? each)
    .join('')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')
}

function wordsOf(name: string): readonly string[] {
  return name
    .normalize('NFKC')
    .replaceAll(/([a-z])([A-Z])/gu, '$1 $2')
    .toLowerCase()
    .split(/[-_./\s]+/u)
}

/** Fewest letters of a word in which one letter more or less is a slip and not another word. */
const shortestWord = 4

/** Equal but for one letter that only the longer has, two exchanged, or, in longer words, one other. */
function differByOne(short: string, long: string): boolean {
  let at = 0
  while (at < short.length && short[at] === long[at]) at += 1
  if (long.length > short.length) return short.slice(at) === long.slice(at + 1)
  const isSwapped = short[at] === long[at + 1] && short[at + 1] === long[at]
  if (isSwapped) return short.slice(at + 2) === long.slice(at + 2)
  return short.length > shortestWord && short.slice(at + 1) === long.slice(at + 1)
}

/** One slip between two words that begin alike; plurals and numbers are other words. */
function isSlip(left: string, right: string): boolean {
  const [short, long] = left.length <= right.length ? [left, right] : [right, left]
  if (short.length < shortestWord || long.length - short.length > 1) return false
  if (/\d/u.test(left + right) || long === `${short}s`) return false
  return short[0] === long[0] && differByOne(short, long)
}

/** One slip in one word of as many. */
function haveSlip(own: readonly string[], other: readonly string[]): boolean {
  if (own.length !== other.length) return false
  const [at, ...more] = own.flatMap((word, index) => (word === other[index] ? [] : [index]))
  return at !== undefined && more.length === 0 && isSlip(own[at] ?? '', other[at] ?? '')
}

/** How two names of tools resemble each other, if at all: `same` but for case and hyphens, or easily taken for each other. */
export function likeness(left: string, right: string): 'same' | 'confusable' | 'slip' | undefined {
  if (Math.abs(left.length - right.length) > 3) return undefined
  if (plain(left) === plain(right)) return 'same'
  if (skeleton(left) === skeleton(right)) return 'confusable'
  return haveSlip(wordsOf(left), wordsOf(right)) ? 'slip' : undefined
}
