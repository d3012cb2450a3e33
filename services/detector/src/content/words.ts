interface Entry {
  readonly word: string
  /** Code of the fourth letter, 0 where there is none: the cheapest way to rule a word out. */
  readonly fourth: number
  readonly groups: number[]
}

/** The first three letters of a word in 15 bits, without case. */
function keyAt(text: string, at: number): number {
  return (
    ((text.charCodeAt(at) & 31) << 10) |
    ((text.charCodeAt(at + 1) & 31) << 5) |
    (text.charCodeAt(at + 2) & 31)
  )
}

function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || code >= 0x80
}

function entriesOf(groups: readonly (readonly string[])[]): ReadonlyMap<number, readonly Entry[]> {
  const byWord = new Map<string, Entry>()
  for (const [group, words] of groups.entries()) {
    for (const word of words) {
      const entry = byWord.get(word) ?? { word, fourth: word.length > 3 ? word.charCodeAt(3) : 0, groups: [] }
      entry.groups.push(group)
      byWord.set(word, entry)
    }
  }
  return Map.groupBy(byWord.values(), ({ word }) => keyAt(`${word}  `, 0))
}

/**
 * Compiles groups of word beginnings; one that ends in a space stands for a whole word. The result marks with 1 the groups of which a lower-case
 * text holds a word, looking each of its words up once; the marks are overwritten by the next call.
 */
export function compileWords(groups: readonly (readonly string[])[]): (lower: string) => Uint8Array {
  const entries = entriesOf(groups)
  // For three letters the fourth letters that may follow, a bit each: rules out nearly every word without a look at the list.
  const fourths = new Uint32Array(1 << 15)
  // The same for the third letter in 4 KB, which stay in the nearest cache where the tables do not.
  const thirds = new Uint32Array(1 << 10)
  const table: (readonly Entry[] | undefined)[] = Array.from({ length: 1 << 15 })
  for (const [key, list] of entries) {
    fourths[key] = list.reduce((bits, { fourth }) => (fourth === 0 ? -1 : bits | (1 << (fourth & 31))), 0)
    thirds[key >>> 5] = (thirds[key >>> 5] ?? 0) | (1 << (key & 31))
    table[key] = list
  }
  const marks = new Uint8Array(groups.length)
  const markAt = (lower: string, at: number, key: number): void => {
    const fourth = lower.charCodeAt(at + 3)
    for (const entry of table[key] ?? []) {
      if (entry.fourth !== 0 && entry.fourth !== fourth) continue
      if (lower.startsWith(entry.word, at)) for (const group of entry.groups) marks[group] = 1
    }
  }
  return lower => {
    marks.fill(0)
    const { length } = lower
    let at = 0
    while (at < length) {
      if (isLetter(lower.charCodeAt(at))) {
        const key = keyAt(lower, at)
        const isKnown = (((thirds[key >>> 5] ?? 0) >>> (key & 31)) & 1) === 1
        if (isKnown && (((fourths[key] ?? 0) >>> (lower.charCodeAt(at + 3) & 31)) & 1) === 1)
          markAt(lower, at, key)
        while (isLetter(lower.charCodeAt(at))) at += 1
      }
      at += 1
    }
    return marks
  }
}
