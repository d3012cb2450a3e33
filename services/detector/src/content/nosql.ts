import { nothing, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'
import type { Role } from './roles.ts'

const longest = 2048
const hint =
  /\$(?:ne|gte?|lte?|n?in|n?or|and|not|regex|where|exists|comment|expr|function|size|all|elemMatch|jsonSchema)\b|return|this\.|sleep\s{0,4}\(|[|&]{2}|db\.\w/u
const operator =
  /(?:^|[{[,\s"'])["']?\$(ne|gte?|lte?|n?in|regex|where|exists|comment|expr|function|nor|or|not|elemMatch)["']?\s{0,4}(?:[:\]]|=)/u
const credential = /user|login|e?mail|pass|pwd|token|otp|pin|auth/iu
const script =
  /["'];?\s{0,4}(?:\}\s{0,4}[\],]?|return\b|sleep\s{0,4}\(|while\s{0,4}\(|var\s|&&|\|\||db\.)|(?:&&|\|\|)\s{0,4}(?:this\.\w|\d+\s{0,2}={2,3}\s{0,2}\d+|['"]\w{0,8}['"]\s{0,2}={2,3})|this\.\w{1,40}\.(?:match|test|length|indexOf)\b|;\s{0,4}return\s{0,4}(?:\(|true|['"\d])/u

function isScript(text: string): boolean {
  return script.test(text) && /={2,3}|this\.|return|sleep\s{0,4}\(|\$/u.test(text)
}

/** A whole filter as programs write it. */
function isFilter(text: string): boolean {
  if (!/^\s{0,4}\{\s{0,4}"/u.test(text)) return false
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

function judge(text: string, role: Role, name: string): number {
  const used = operator.exec(text)?.[1]
  if (used === 'where' || used === 'function') return 0.88
  // In place of a name or a password an operator alone matches everybody.
  if (isFilter(text)) return credential.test(name) && /^\s{0,4}\{\s{0,4}"\$/u.test(text) ? 0.75 : 0.3
  if (isScript(text)) return 0.82
  return used === undefined || role === 'query' ? 0.3 : 0.72
}

/** Operators of document databases, or their script, in the text of a value. */
export function detectNosql({ document, text, role, readings }: Inspection): Span {
  if (text.length > longest) return nothing
  let score = 0
  for (const reading of readings())
    if (hint.test(reading)) score = Math.max(score, judge(reading, role, document.name))
  return { score, start: 0, end: text.length }
}
