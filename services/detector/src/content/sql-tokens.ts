/** One token of SQL; words are in lower case. */
export interface SqlToken {
  readonly kind: 'word' | 'number' | 'string' | 'comment' | 'mark'
  readonly text: string
  readonly at: number
  /** For strings: whether the closing quote is there. */
  readonly isClosed: boolean
}

const mostTokens = 600
const space = /\s/u
const shapes: readonly (readonly [SqlToken['kind'], RegExp])[] = [
  ['word', /[a-z_@$][\w$@]{0,127}/iuy],
  ['number', /0x[0-9a-f]{1,64}|\d[\d.]{0,30}/iuy],
  ['comment', /--|#|\/\*/uy],
  ['mark', /[<>!=]{2}|\|\||&&|::|[^\s]/uy],
]

/** Position after the string that opens at `at`: doubled quotes stay inside. */
function stringEnd(text: string, at: number): number {
  const quote = text.charAt(at)
  for (let index = at + 1; index < text.length; index += 1) {
    const char = text.charAt(index)
    if (char === '\\') index += 1
    else if (char === quote) {
      if (text.charAt(index + 1) !== quote) return index + 1
      index += 1
    }
  }
  return -1
}

function stringToken(text: string, at: number): SqlToken {
  const end = stringEnd(text, at)
  const inner = end < 0 ? text.slice(at + 1) : text.slice(at + 1, end - 1)
  return { kind: 'string', text: inner, at, isClosed: end >= 0 }
}

function commentEnd(text: string, at: number): number {
  const end = text.startsWith('/*', at) ? text.indexOf('*/', at + 2) + 1 : text.indexOf('\n', at)
  return end <= 0 ? text.length : end + 1
}

function plainToken(text: string, at: number): SqlToken {
  for (const [kind, shape] of shapes) {
    shape.lastIndex = at
    const found = shape.exec(text)?.[0]
    if (found !== undefined)
      return { kind, text: kind === 'word' ? found.toLowerCase() : found, at, isClosed: true }
  }
  return { kind: 'mark', text: text.charAt(at), at, isClosed: true }
}

/** Splits text into SQL tokens from `from` on; linear, at most 600. A string without an end goes to the end; inline comments split words as databases let them. */
export function sqlTokens(text: string, from: number): readonly SqlToken[] {
  const tokens: SqlToken[] = []
  let at = from
  while (at < text.length && tokens.length < mostTokens) {
    const char = text.charAt(at)
    if (space.test(char)) {
      at += 1
      continue
    }
    const isString = char === "'" || char === '"' || char === '`'
    const next = isString ? stringToken(text, at) : plainToken(text, at)
    if (next.kind === 'comment') {
      const end = commentEnd(text, at)
      tokens.push({ ...next, text: text.slice(at, end) })
      at = end
    } else {
      tokens.push(next)
      at += isString ? next.text.length + (next.isClosed ? 2 : 1) : next.text.length
    }
  }
  return tokens
}
