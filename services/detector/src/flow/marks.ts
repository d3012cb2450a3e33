import type { KeyObject } from 'node:crypto'
import type { Document, Source } from '../content/document.ts'
import { readings } from '../content/decode.ts'
import { keyedHash } from '../keyed.ts'

/** Words of a shingle: fewer are everyday phrases. */
const shingleWords = 6
/** One shingle in so many is kept, by its own hash, so that both ends of a copy keep the same ones. */
const sampled = 4
const mostShingles = 24
const mostTokens = 24
const mostWords = 4_000
const longestToken = 256
const longestBlob = 8_192
const word = /[\p{L}\p{N}][\p{L}\p{N}@._:+-]*/gu
/** Keys, addresses and identifiers: letters and digits both, an address, or a long number. Dates and versions are not. */
const token =
  /^(?=.{10,})(?:[^@]+@[^@]+\.[^@]+|(?=[^a-z]*[a-z])(?=.*\d)(?!\d{4}-\d\d-\d\d)[\w+:.-]+|\d{9,})$/iu

/** FNV-1a over the words of a window. */
function shingleHash(words: readonly string[], from: number): number {
  let state = 0x81_1c_9d_c5
  for (let at = from; at < from + shingleWords; at += 1) {
    const text = words[at] ?? ''
    for (let index = 0; index < text.length; index += 1)
      state = Math.imul(state ^ text.charCodeAt(index), 0x01_00_01_93)
    state = Math.imul(state ^ 0x20, 0x01_00_01_93)
  }
  return state >>> 0
}

interface Found {
  readonly tokens: Set<string>
  readonly shingles: Set<string>
  words: number
}

function collect(found: Found, text: string): void {
  const words = (text.toLowerCase().match(word) ?? []).slice(0, mostWords - found.words)
  found.words += words.length
  for (const each of words)
    if (found.tokens.size < mostTokens && each.length <= longestToken && token.test(each))
      found.tokens.add(each)
  for (let at = 0; at + shingleWords <= words.length && found.shingles.size < mostShingles; at += 1)
    if (shingleHash(words, at) % sampled === 0)
      found.shingles.add(words.slice(at, at + shingleWords).join(' '))
}

function isBlob(text: string): boolean {
  return text.length >= 16 && text.length < longestBlob && !text.includes(' ')
}

/** Marks by which a copy of these texts can be told without keeping them: hashes under the tenant's key of rare words (`t…`) and of some runs of words. */
export function marksOf(documents: readonly Document[], source: Source, key: KeyObject): string[] {
  const found: Found = { tokens: new Set(), shingles: new Set(), words: 0 }
  for (const document of documents) {
    if (document.source !== source) continue
    for (const text of isBlob(document.text) ? readings(document.text) : [document.text]) collect(found, text)
  }
  const mark = (text: string): string => keyedHash(key, text, 12)
  return [...Array.from(found.tokens, text => `t${mark(text)}`), ...Array.from(found.shingles, mark)]
}

/** Whether what bears the one marks reappears in what bears the others: one rare word, or two runs of words. */
export function isCopied(from: readonly string[], to: ReadonlySet<string>): boolean {
  let weight = 0
  for (const mark of from) if (to.has(mark)) weight += mark.startsWith('t') ? 2 : 1
  return weight >= 2
}
