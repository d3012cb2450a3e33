/** Which of up to 60 groups of word beginnings a text holds, as two numbers of 30 bits. */
export type Groups = readonly [low: number, high: number]

const half = 30

interface Entry {
  readonly word: string
  readonly low: number
  readonly high: number
}

/** The first three letters of a word in 15 bits, without case. */
function keyAt(text: string, at: number): number {
  const [a, b, c] = [text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2)]
  return ((a & 31) << 10) | ((b & 31) << 5) | (c & 31)
}

function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || code >= 0x80
}

function entriesOf(groups: readonly (readonly string[])[]): ReadonlyMap<number, readonly Entry[]> {
  const entries = new Map<number, Entry[]>()
  for (const [group, words] of groups.entries()) {
    for (const word of words) {
      const low = group < half ? 1 << group : 0
      const high = group < half ? 0 : 1 << (group - half)
      const key = keyAt(`${word}  `, 0)
      entries.set(key, [...(entries.get(key) ?? []), { word, low, high }])
    }
  }
  return entries
}

/**
 * Compiles groups of word beginnings of three letters or more; shorter ones stand for whole words. The result looks each word of a lower-case text up
 * once, so that a text without any of them costs one pass.
 */
export function compileWords(groups: readonly (readonly string[])[]): (lower: string) => Groups {
  const entries = entriesOf(groups)
  const known = new Uint8Array(1 << 15)
  for (const key of entries.keys()) known[key] = 1
  return lower => {
    let low = 0
    let high = 0
    let wasLetter = false
    for (let at = 0; at < lower.length; at += 1) {
      const letter = isLetter(lower.charCodeAt(at))
      const key: number = letter && !wasLetter ? keyAt(lower, at) : 0
      wasLetter = letter
      if (known[key] !== 1) continue
      for (const entry of entries.get(key) ?? []) {
        if (!lower.startsWith(entry.word, at)) continue
        low |= entry.low
        high |= entry.high
      }
    }
    return [low, high]
  }
}

/** Whether a group is among those found. */
export function hasGroup(found: Groups, group: number): boolean {
  return group < half ? (found[0] & (1 << group)) !== 0 : (found[1] & (1 << (group - half))) !== 0
}
