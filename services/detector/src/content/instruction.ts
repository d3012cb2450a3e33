import { decodeBlob } from './decode.ts'
import { nothing, type Source, type Span } from './document.ts'
import { feature } from './features.ts'
import type { Inspection } from './inspection.ts'
import type { Aim, Phrase } from './phrase.ts'
import { phrases } from './phrases.ts'
import { compileWords } from './words.ts'

const mostBlobs = 8
/** Aims that people have with a model of their own, too: they never reach the certainty of a hidden order. */
const arguable = new Set<Aim>(['persona', 'unbind', 'mode', 'secret', 'attack'])
const mostArguable = 0.72
/** What a person writes to a model is that person's own business more often than not. */
const mostInPrompt = 0.8

interface Hit extends Span {
  readonly aim: Aim
}

/** Two groups of words per phrase: it needs one of each. */
const wordsOf = compileWords(phrases.flatMap(phrase => [phrase.words ?? [], phrase.also ?? []]))

interface Indexed {
  readonly phrase: Phrase
  readonly group: number
}

const indexed = phrases.map((phrase, index): Indexed => ({ phrase, group: index * 2 }))

function phrasesFor(source: Source): readonly Indexed[] {
  return indexed.filter(({ phrase }) => phrase.sources === undefined || phrase.sources.includes(source))
}

const bySource: Readonly<Record<Source, readonly Indexed[]>> = {
  argument: [],
  description: phrasesFor('description'),
  result: phrasesFor('result'),
  prompt: phrasesFor('prompt'),
}

function isTried({ phrase, group }: Indexed, marks: Uint8Array, features: number): boolean {
  if (phrase.words !== undefined && marks[group] === 0) return false
  if (phrase.also !== undefined && marks[group + 1] === 0) return false
  return phrase.needs === undefined || (features & phrase.needs) !== 0
}

// Where the protocol has a server speak to the model (MCP 2025-11-25, initialize), being addressed to it says nothing.
const serverInstructions = 'response.body.result.instructions'

function hitsIn(part: string, lower: string, found: Inspection): readonly Hit[] {
  const marks = wordsOf(lower)
  const hits: Hit[] = []
  const isAddressExpected = found.document.path === serverInstructions
  for (const each of bySource[found.document.source]) {
    if (isAddressExpected && each.phrase.aim === 'address') continue
    if (!isTried(each, marks, found.features)) continue
    const { aim, score, isCased, pattern } = each.phrase
    const match = pattern.exec(isCased === true ? part : lower)
    if (match !== null) hits.push({ aim, score, start: match.index, end: match.index + match[0].length })
  }
  return hits
}

/** The strongest phrase, raised by every other aim that the text shows: one order may be chance, three are not. */
function combine(hits: readonly Hit[]): Span {
  const strongest = hits.reduce<Span>((best, hit) => (hit.score > best.score ? hit : best), nothing)
  const others = new Set(hits.map(hit => hit.aim)).size - 1
  const repeats = hits.length - 1 - others
  const isSure = hits.some(hit => !arguable.has(hit.aim) && hit.score >= 0.66)
  const most = isSure ? 0.98 : mostArguable
  const score = Math.min(most, strongest.score + others * 0.06 + repeats * 0.03)
  return { score, start: strongest.start, end: strongest.end }
}

/** Weak aims count only together: a role to play is ordinary, a role that is free of all rules is not. */
function isEnough(hits: readonly Hit[], source: Source): boolean {
  if (hits.some(hit => hit.score >= 0.66)) return true
  const aims = new Set(hits.map(hit => hit.aim))
  if (aims.has('foreign')) return true
  if (source !== 'prompt') return aims.size > 1
  const unbound = hits.filter(hit => hit.aim === 'unbind').length
  return aims.has('mode') || unbound > 1 || (unbound === 1 && aims.has('order'))
}

/** Encoded parts of the text that say something, decoded. */
function blobsIn(text: string): readonly string[] {
  const blobs: string[] = []
  let count = 0
  for (const [blob] of text.matchAll(/[A-Za-z0-9+/]{24,4096}={0,2}/gu)) {
    count += 1
    if (count > mostBlobs) break
    const decoded = decodeBlob(blob)
    if (decoded !== undefined) blobs.push(decoded)
  }
  return blobs
}

/** Text that steers a model: orders that replace its own, that hide from people, that are addressed to it, or that free it of its rules. */
export function detectInstruction(found: Inspection): Span {
  const blobs = (found.features & feature.run) === 0 ? [] : blobsIn(found.text)
  let best = nothing
  const most = found.document.source === 'prompt' ? mostInPrompt : 1
  for (const part of [...found.readings(), ...blobs]) {
    const lower = part === found.text ? found.lower() : part.toLowerCase()
    const hits = hitsIn(part, lower, found)
    const span = isEnough(hits, found.document.source) ? combine(hits) : nothing
    if (span.score > best.score) best = span
  }
  return best.score > most ? { ...best, score: most } : best
}
