import type { Document, Finding } from './document.ts'

const shape =
  /(?:['"`)]\s{0,8}(?:or|and|\|\||&&)\s{1,8}['"(]?\w{1,32}['"]?\s{0,4}(?:=|like|<|>))|union\s{1,8}(?:all\s{1,8})?select\b|;\s{0,8}(?:drop|delete|insert|update|alter|shutdown|exec)\b/iu

export function detectSql(document: Document): Finding | undefined {
  if (document.source !== 'argument') return undefined
  if (/^\s{0,8}(?:select|insert|update|delete|with|create)\b/iu.test(document.text)) return undefined
  const found = shape.exec(document.text)
  if (found === null) return undefined
  return { kind: 'sqli', score: 0.8, start: found.index, end: found.index + found[0].length }
}
