import { setImmediate as nextTick } from 'node:timers/promises'
import type { Finding, MaskedMessage, MaskMessage } from './masked-message.ts'

/** Characters of a large message that are masked as JSON, so that those before the cut are masked as in the whole. */
const headCharacters = 131_072
/** Characters at the end of the head that are dropped: what the cut went through might not be known for what it is. */
const cutCharacters = 8192
/** Characters of the rest that are read at once: a few milliseconds. */
const sliceCharacters = 65_536
/** A slice ends behind a blank or quote, if there is one this near. */
const seamCharacters = 512

/** Without the high half of a pair, or an escape, that the cut went through. */
function withoutHalf(text: string): string {
  const whole = /[\uD800-\uDBFF]$/u.test(text) ? text.slice(0, -1) : text
  const [backslashes = ''] = /\\*(?:\\u[0-9a-fA-F]{0,3})?$/u.exec(whole) ?? []
  return backslashes === '' ? whole : whole.slice(0, -backslashes.length)
}

const opening = new Map([
  ['{', '}'],
  ['[', ']'],
])

/** One token: a string, also one that does not end, or a bracket. */
const token = /"(?:[^"\\]|\\.)*(?:"|$)|[{}[\]]/gsu

/** Closes the string and containers that a cut left open, so that what is left is read as JSON, not as text. */
function closed(head: string): string {
  const text = withoutHalf(head)
  const open: string[] = []
  let quote = ''
  for (const [one] of text.matchAll(token)) {
    const end = opening.get(one)
    if (end !== undefined) open.push(end)
    else if (one.startsWith('"')) quote = one.length > 1 && one.endsWith('"') ? '' : '"'
    else open.pop()
  }
  return `${text}${quote}${open.toReversed().join('')}`
}

function seam(text: string, from: number): number {
  const to = from + sliceCharacters
  if (to >= text.length) return text.length
  for (let i = to; i > to - seamCharacters; i--) {
    const c = text[i]
    if (c === ' ' || c === '"') return i
  }
  return to
}

/** Adds what was found in a slice to what was found before it. */
function addFindings(all: Map<string, Finding>, findings: readonly Finding[]): void {
  for (const finding of findings) {
    const key = JSON.stringify([finding.type, finding.path, finding.action])
    const count = (all.get(key)?.count ?? 0) + finding.count
    all.set(key, { ...finding, count })
  }
}

/**
 * Masks what will be kept of a message that no record can hold, and reads the rest only to count what is in it, in slices between
 * which others get their turn. A value on a seam may be counted twice or not at all; nothing of the rest is published.
 */
export async function maskLarge(
  text: string,
  mask: MaskMessage,
): Promise<Pick<MaskedMessage, 'text' | 'findings'>> {
  const findings = new Map<string, Finding>()
  const head = mask(closed(text.slice(0, headCharacters)))
  addFindings(findings, head.findings)
  for (let from = headCharacters; from < text.length;) {
    await nextTick()
    const to = seam(text, from)
    addFindings(findings, mask(text.slice(from, to)).findings)
    from = to
  }
  return { text: head.text.slice(0, -cutCharacters), findings: [...findings.values()] }
}
