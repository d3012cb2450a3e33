import { decodeBlob } from './decode.ts'
import { nothing, type Span } from './document.ts'
import { feature } from './features.ts'
import type { Inspection } from './inspection.ts'
import { phrases, type Aim, type Phrase } from './phrases.ts'
import { compileWords, hasGroup, type Groups } from './words.ts'

const mostBlobs = 8
/** Aims that people have with a model of their own, too: they never reach the certainty of a hidden order. */
const arguable = new Set<Aim>(['persona', 'unbind', 'mode', 'secret', 'attack'])
const mostArguable = 0.72

interface Hit extends Span {
  readonly aim: Aim
}

const wordsOf = compileWords(phrases.map(phrase => phrase.words ?? []))

function isTried(phrase: Phrase, groups: boolean, found: Inspection): boolean {
  const { sources, needs } = phrase
  if (sources !== undefined && !sources.includes(found.document.source)) return false
  if (needs !== undefined && (found.features & needs) === 0) return false
  return phrase.words === undefined || groups
}

function hitsIn(part: string, lower: string, found: Inspection): readonly Hit[] {
  const groups: Groups = wordsOf(lower)
  const hits: Hit[] = []
  for (const [index, phrase] of phrases.entries()) {
    if (!isTried(phrase, hasGroup(groups, index), found)) continue
    const { aim, score, isCased } = phrase
    const match = phrase.pattern.exec(isCased === true ? part : lower)
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
function isEnough(hits: readonly Hit[]): boolean {
  if (hits.some(hit => hit.score >= 0.66)) return true
  const aims = new Set(hits.map(hit => hit.aim))
  const unbound = hits.filter(hit => hit.aim === 'unbind').length
  if (unbound > 1 || (unbound === 1 && (aims.has('order') || aims.has('mode')))) return true
  return aims.has('foreign') || aims.has('mode')
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
  for (const part of [...found.readings(), ...blobs]) {
    const lower = part === found.text ? found.lower() : part.toLowerCase()
    const hits = hitsIn(part, lower, found)
    const span = isEnough(hits) ? combine(hits) : nothing
    if (span.score > best.score) best = span
  }
  return best
}
