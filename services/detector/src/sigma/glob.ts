/** A Sigma text with wildcards: the parts between its stars; NUL stands for "any one character". */
export interface Glob {
  readonly parts: readonly string[]
  readonly isPlain: boolean
}

/** Reads wildcards; a backslash before one makes it a plain character. */
export function globParts(value: string): Glob {
  const parts: string[] = ['']
  for (let index = 0; index < value.length; index += 1) {
    const char = value.charAt(index)
    const next = value.charAt(index + 1)
    if (char === '\\' && (next === '*' || next === '?' || next === '\\')) {
      parts[parts.length - 1] += next
      index += 1
    } else if (char === '*') parts.push('')
    else parts[parts.length - 1] += char === '?' ? '\u{0}' : char
  }
  return { parts, isPlain: parts.length === 1 && !value.includes('?') }
}

/** Where `part` (with NUL as "any one character") occurs in `text` at or after `from`, else -1. */
function find(text: string, part: string, from: number): number {
  if (!part.includes('\u{0}')) return text.indexOf(part, from)
  for (let at = from; at + part.length <= text.length; at += 1) if (holdsAt(text, part, at)) return at
  return -1
}

function holdsAt(text: string, part: string, at: number): boolean {
  if (at < 0 || at + part.length > text.length) return false
  for (let index = 0; index < part.length; index += 1) {
    if (part[index] !== '\u{0}' && part[index] !== text[at + index]) return false
  }
  return true
}

/** Whether the whole text is as the glob has it. */
export function matchGlob(text: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? ''
  const last = parts[parts.length - 1] ?? ''
  if (parts.length === 1) return text.length === first.length && holdsAt(text, first, 0)
  if (!holdsAt(text, first, 0)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = find(text, part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && holdsAt(text, last, text.length - last.length)
}
