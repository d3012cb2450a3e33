import type { Document, Finding } from './document.ts'

const shape = /(?:\.\.|%2e%2e)(?:[\\/]|%2f|%5c)(?:\.\.|%2e%2e)(?:[\\/]|%2f|%5c)|\/etc\/(?:passwd|shadow)/iu

export function detectTraversal(document: Document): Finding | undefined {
  if (document.source !== 'argument') return undefined
  const found = shape.exec(document.text)
  if (found === null) return undefined
  return { kind: 'traversal', score: 0.8, start: found.index, end: found.index + found[0].length }
}
