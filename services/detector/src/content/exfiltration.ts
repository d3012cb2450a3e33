import { decodeBlob, decodePercent } from './decode.ts'
import { nothing, type Span } from './document.ts'
import { feature } from './features.ts'
import type { Inspection } from './inspection.ts'
import { findSecret } from './secrets.ts'

const longest = 16_384
const mostUrls = 20
const urls = /https?:\/\/([^\s/?#"'<>()]{1,253})([^\s"'<>)\]]{0,8192})/giu
const parameter = /[?&#;][\w.-]{0,64}=([^&#;\s]{40,8192})/gu
const secretHint =
  /akia|asia|gh[pousr]_|github_pat|glpat|xox|sk-|k_live|aiza|npm_|hf_|eyj|private key|ssh-|pass|pwd|secret|key|token|credential|:\/\//iu

/** Whether the text reads like a document: several words, and lines, columns or labels. */
function isProse(text: string): boolean {
  const words = text.match(/[a-z]{2,}/giu)?.length ?? 0
  const isLaidOut = /\n|\t| {3}|\|.{0,200}\||[\w ]{2,24}: /u.test(text)
  return words >= 4 && /\s/u.test(text) && (isLaidOut || words >= 24)
}

/** How much readable text in a query parameter looks like a document rather than a search or a greeting. */
function documentScore(text: string): number {
  if (text.length < 80 || !isProse(text)) return 0
  if (text.includes('\n')) return 0.82
  return (text.match(/[a-z]{2,}/giu)?.length ?? 0) >= 40 ? 0.6 : 0
}

function blobIn(text: string): string | undefined {
  return (
    decodeBlob(text.replaceAll(/\s/gu, '+')) ?? decodeBlob(text.slice(0, text.length - (text.length % 4)))
  )
}

/** How much a query parameter looks like something carried out: encoded text, or a document in it. */
function valueScore(value: string): number {
  const text = decodePercent(value)
  const blob = blobIn(text)
  if (blob !== undefined) return isProse(blob) || findSecret(blob) >= 0 ? 0.9 : 0.4
  // Links for signing in carry a token of their own; that is what they are for.
  if (!text.startsWith('eyJ') && findSecret(text) >= 0) return 0.8
  return documentScore(text)
}

/** Data in the name of a host: many long labels without vowels' rhythm, as tunnels over DNS have. */
function hostScore(host: string): number {
  const labels = host.split('.').slice(0, -2)
  const long = labels.filter(
    label =>
      label.length >= 24 && /\d/u.test(label) && /^[a-z0-9_-]+$/iu.test(label) && !label.includes('--'),
  )
  const carried = long.reduce((sum, label) => sum + label.length, 0)
  return carried >= 48 || long.some(label => decodeBlob(label) !== undefined) ? 0.75 : 0
}

function isImage(text: string, at: number): boolean {
  return /!\[[^\]]{0,80}\]\($|<img[^>]{0,80}src\s{0,2}=\s{0,2}["']?$/iu.test(
    text.slice(Math.max(0, at - 120), at),
  )
}

/** What one URL carries. */
function carriedScore(host: string, rest: string): number {
  let best = hostScore(host)
  for (const [, value = ''] of rest.matchAll(parameter)) best = Math.max(best, valueScore(value))
  return best
}

function judgeUrls(text: string): Span {
  let best = nothing
  let count = 0
  for (const found of text.matchAll(urls)) {
    count += 1
    if (count > mostUrls) break
    const [whole, host = '', rest = ''] = found
    const carried = carriedScore(host, rest)
    // An image is fetched by whoever shows the text, without a click.
    const score = carried >= 0.5 && isImage(text, found.index) ? Math.min(0.95, carried + 0.05) : carried
    if (score > best.score) best = { score, start: found.index, end: found.index + whole.length }
  }
  return best
}

function judgeSecret(text: string, role: string): Span {
  if (role === 'command' || role === 'value' || role === 'url' || !secretHint.test(text)) return nothing
  const at = findSecret(text)
  return at < 0 ? nothing : { score: role === 'text' ? 0.78 : 0.6, start: at, end: at + 80 }
}

/** Data on its way out: documents or encodings of them inside URLs, data in host names, credentials in texts that are sent. */
export function detectExfiltration({ document, text: whole, role, features }: Inspection): Span {
  const text = whole.slice(0, longest)
  const hasUrl = (features & feature.colon) !== 0 && /https?:\/\//iu.test(text)
  const found = hasUrl ? judgeUrls(text) : nothing
  // A result may link anywhere; only an image loads by itself.
  if (document.source === 'result') return found.score >= 0.93 ? found : nothing
  const secret = judgeSecret(text, role)
  return secret.score > found.score ? secret : found
}
