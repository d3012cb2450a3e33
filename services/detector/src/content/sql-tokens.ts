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
const wordShape = /[a-z_@$][\w$@]{0,127}/iuy
const numberShape = /0x[0-9a-f]{1,64}|\d[\d.]{0,30}/iuy
const otherShape = /--|#|\/\*|[<>!=]{2}|\|\||&&|::|[^\s]/uy

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

/** What MySQL and MariaDB run although it looks like a comment: the marks around it are nothing, what is inside is code. */
const conditional = /\/\*M?!\d{0,6}|\*\//uy

function conditionalMark(text: string, at: number): number {
  conditional.lastIndex = at
  return conditional.exec(text)?.[0].length ?? 0
}

function shapeAt(text: string, at: number): readonly [SqlToken['kind'], RegExp] {
  const code = text.charCodeAt(at)
  if (code >= 48 && code <= 57) return ['number', numberShape]
  const lower = code | 32
  const isWord = (lower >= 97 && lower <= 122) || code === 95 || code === 64 || code === 36
  return isWord ? ['word', wordShape] : ['mark', otherShape]
}

function plainToken(text: string, at: number): SqlToken {
  const [kind, shape] = shapeAt(text, at)
  shape.lastIndex = at
  const found = shape.exec(text)?.[0] ?? text.charAt(at)
  if (kind === 'word') return { kind, text: found.toLowerCase(), at, isClosed: true }
  const isComment = found === '--' || found === '#' || found === '/*'
  return { kind: isComment ? 'comment' : kind, text: found, at, isClosed: true }
}

/** Position of the next token from `at` on. */
function tokenStart(text: string, from: number): number {
  let at = from
  for (;;) {
    const char = text.charAt(at)
    if (space.test(char)) at += 1
    else if (char === '/' || char === '*') {
      const skipped = conditionalMark(text, at)
      if (skipped === 0) return at
      at += skipped
    } else return at
  }
}

/** Splits text into SQL tokens from `from` on; linear, at most 600. A string without an end goes to the end; inline comments split words as databases let them. */
export function sqlTokens(text: string, from: number): readonly SqlToken[] {
  const tokens: SqlToken[] = []
  let at = tokenStart(text, from)
  while (at < text.length && tokens.length < mostTokens) {
    const char = text.charAt(at)
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
    at = tokenStart(text, at)
  }
  return tokens
}
