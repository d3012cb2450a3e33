import { nothing, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'

const longest = 8192

const entity =
  /<!entity\s{1,8}(?:%\s{1,8})?[\w.-]{1,64}\s{1,8}(?:system|public)\s{1,8}["']([^"']{0,256})|<!doctype\s{1,8}[\w.:-]{1,64}\s{1,8}system\s{1,8}["']((?:https?|ftp|file|php|expect|jar|netdoc|data):[^"']{0,256})|<xi:include\b[^>]{0,200}href\s{0,4}=\s{0,4}["']([^"']{1,256})/iu
/** An entity that grows by being named inside others. */
const bomb = /<!entity\s{1,8}[\w.-]{1,64}\s{1,8}["'](?:&[\w.-]{1,64};){4}/iu

/** XML that makes its reader fetch files or addresses, or grow without end. */
export function detectEntity({ text, readings }: Inspection): Span {
  for (const reading of text.length > longest ? [text.slice(0, longest)] : readings()) {
    const found = entity.exec(reading) ?? bomb.exec(reading)
    if (found === null) continue
    // A document type of its own belongs to many formats; what it names decides.
    const named = found[1] ?? found[2] ?? found[3] ?? ''
    const isOwn = /^[\w./-]{0,64}\.(?:dtd|ent|mod|xml|xsd)$/u.test(named) && !named.includes('..')
    return { score: isOwn ? 0.3 : 0.92, start: found.index, end: found.index + found[0].length }
  }
  return nothing
}

/** Filter characters where a value should be: a group is closed, another is opened, or everything is matched. */
const breakout =
  /^[^()]{0,64}\)\s{0,2}\(\s{0,2}[|&!]?\s{0,2}\(?\s{0,2}[\w.-]{1,64}\s{0,2}[~<>]?=|^[^()]{0,32}\*?\)\s{0,2}\([&|]\s{0,2}\)|^\*\s{0,2}\)?\s{0,2}\(\s{0,2}[|&]\s{0,2}\([\w.-]{1,64}=|^[^()]{0,64}\)\s{0,2}\(\s{0,2}\|\s{0,2}\(/u
// oxlint-disable-next-line no-control-regex -- a NUL byte ends the filter
const cut = /^[^()\s]{0,64}\){1,3}(?:%00|\u{0})/u

/** Filters of directory services that a value breaks out of. */
export function detectDirectory({ text, role, readings }: Inspection): Span {
  if (text.length > 1024 || role === 'query') return nothing
  for (const reading of readings()) {
    const at = Math.max(reading.search(breakout), reading.search(cut))
    // A whole filter opens with its own parenthesis, and what is called is no attribute.
    if (at >= 0 && !/[;{}]|=>|\bfunction\b/u.test(reading)) return { score: 0.8, start: at, end: text.length }
  }
  return nothing
}
