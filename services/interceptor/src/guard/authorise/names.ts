// Names are compared as they are written: no folding of case, no normalising. What looks like another name than it is, is refused.

const longestName = 2048
/** Characters that nobody sees, and halves of characters. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u

/** Whether a name could be taken for another: too long to be read, with invisible parts, or not in its composed form. */
export function isFoul(name: string): boolean {
  return name === '' || name.length > longestName || invisible.test(name) || name.normalize('NFC') !== name
}

/** As often as encodings are undone before what is left is refused. */
const mostDecodings = 3

function decoded(text: string): string | undefined {
  let current = text
  for (let round = 0; round < mostDecodings; round++) {
    const next = current.replaceAll(/%([0-9a-f]{2})/giu, (_, hex: string) =>
      String.fromCharCode(parseInt(hex, 16)),
    )
    if (next === current) return current
    current = next
  }
  return undefined
}

/** Whether what follows a prefix stays below it, whoever resolves it: no way up, in no encoding. */
function staysBelow(rest: string): boolean {
  const plain = decoded(rest)
  if (plain === undefined || isFoul(`x${plain}`)) return false
  return !plain.split(/[/\\?#]/u).some(segment => segment.trim() === '..' || segment.trim() === '.')
}

/** A name, or with a `*` at its end everything that begins so. */
export interface Pattern {
  readonly text: string
  readonly isPrefix: boolean
}

/** `undefined` for what is no pattern: a `*` elsewhere than at the end, a foul name. */
export function patternOf(written: string): Pattern | undefined {
  const isPrefix = written.endsWith('*')
  const text = isPrefix ? written.slice(0, -1) : written
  if (text.includes('*') || (text !== '' && isFoul(text)) || (text === '' && !isPrefix)) return undefined
  return { text, isPrefix }
}

/** Finds what was said of a name: the name itself before prefixes, longer ones before shorter. */
export interface NameTable<T> {
  readonly find: (name: string) => T | undefined
}

/** A table of patterns; of two equal ones the first counts, so refuse those before. */
export function createNameTable<T>(rows: readonly (readonly [Pattern, T])[]): NameTable<T> {
  const exact = new Map(
    rows.flatMap(([{ text, isPrefix }, value]) => (isPrefix ? [] : [[text, value] as const])),
  )
  const prefixes = rows
    .filter(([{ isPrefix }]) => isPrefix)
    .toSorted(([a], [b]) => b.text.length - a.text.length)
  return {
    find: name => {
      const found = exact.get(name)
      if (found !== undefined || isFoul(name)) return found
      const row = prefixes.find(([{ text }]) => name.startsWith(text))
      return row !== undefined && staysBelow(name.slice(row[0].text.length)) ? row[1] : undefined
    },
  }
}
