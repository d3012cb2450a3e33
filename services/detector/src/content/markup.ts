import { nothing, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'
import { isSentence } from './prose.ts'
import type { Role } from './roles.ts'

const longest = 8192
const mostTags = 200
const hint = /<|javascript\s{0,4}:|vbscript:|\bon[a-z]{3,24}\s{0,4}=|alert\s{0,4}[(`]|%3c|&lt;|fromcharcode/iu
const act =
  /\b(?:alert|confirm|prompt|eval|fromcharcode|atob|setTimeout|setInterval|Function|import|print)\b\s{0,4}[(`&]|\balert\b|document\s{0,4}[.[]\s{0,4}['"]?(?:cookie|domain|location|write|body)|(?:window|top|self|parent|globalthis|this)\s{0,4}\[|localstorage|xmlhttprequest|fetch\s{0,4}\(\s{0,4}['"`](?:https?:)?\/\/|location(?:\.href)?\s{0,4}=\s{0,4}['"`]?(?:https?:)?\/\/|\.src\s{0,4}=|constructor\s{0,4}\(/iu
const handler = /(?:^|[\s/"'`%20])on[a-z]{3,24}\s{0,4}=\s{0,4}(["'`]?)([^"'`>]{0,300})/giu
/** Handlers that run without the reader's help. */
const automatic =
  /\bon(?:load|error|focus|focusin|blur|start|finish|toggle|loadstart|loadeddata|canplay|animation\w{3,12}|transition\w{3,12}|begin|pageshow|hashchange|popstate|scroll|resize|beforescriptexecute|afterscriptexecute|readystatechange|message|unhandledrejection|orientationchange)\s{0,4}=/iu
const scriptUrl =
  /(?:href|src|action|formaction|data|xlink:href|background|content|to|from|values|srcdoc|poster)\s{0,4}=\s{0,4}["'`]?\s{0,8}(?:\d{0,3};\s{0,4}url=)?\s{0,4}(?:javascript(?!\s{0,4}:\s{0,4}(?:void|;|history|window\.(?:print|close)|['"]|$))|vbscript|data:text\/html)/iu
const knownTags =
  /^(?:a|abbr|address|article|aside|b|base|blockquote|body|br|button|canvas|center|code|col|dd|details|div|dl|dt|em|fieldset|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|label|legend|li|link|main|meta|nav|ol|option|p|picture|pre|script|section|select|small|source|span|strong|style|sub|summary|sup|svg|table|tbody|td|textarea|tfoot|th|thead|title|tr|u|ul|video|audio|path|g|rect|circle)$/u

const templated = /\{%|\{\{|<%|<template[\s>]/u

/** Whether the text is a page or a fragment of one, where scripts of its own are ordinary. */
function isPage(text: string): boolean {
  return (
    templated.test(text) ||
    /<!doctype|<html[\s>].{0,4000}<\/|<head[\s>]/isu.test(text) ||
    (text.match(/<\/\w{1,12}>/gu)?.length ?? 0) > 6
  )
}

const showsOff = /\b(?:alert|confirm|prompt|eval)\b|fromcharcode|cookie|atob/iu

const breakout =
  /["'`>]\s{0,4}\/?>\s{0,4}<\s{0,4}(?:script|svg|img|iframe|body|math|video|audio|details|input|object|embed|marquee|style)\b/iu

/** Where markup stands: in a value that has no business with it, in a text, or in a page of which scripts are a part. */
type Place = 'value' | 'text' | 'page'

/** Scores by place. */
type Scores = Readonly<{ [place in Place]: number }>

const stealing = /fromcharcode|cookie|\beval\b|atob/iu

/** How much a handler tells. */
function handlerScores(whole: string, body: string): Scores {
  if (stealing.test(body)) return { value: 0.94, text: 0.93, page: 0.7 }
  if (showsOff.test(body)) return { value: 0.92, text: 0.9, page: 0.4 }
  if (act.test(body)) return { value: 0.8, text: automatic.test(whole) ? 0.6 : 0.3, page: 0.2 }
  if (automatic.test(whole)) return { value: 0.7, text: 0.3, page: 0.1 }
  return { value: /[`(]/u.test(body) ? 0.6 : 0.2, text: 0.2, page: 0 }
}

function judgeHandlers(tag: string, place: Place): number {
  let best = 0
  for (const [whole, , body = ''] of tag.matchAll(handler))
    best = Math.max(best, handlerScores(whole, body)[place])
  return best
}

/** How much a script element tells, by what follows its name. */
function scriptScores(body: string): Scores {
  const end = body.search(/<\/script/iu)
  const own = (end < 0 ? body : body.slice(0, end)).replace(/^[^>]{0,300}>/u, '')
  if (act.test(body)) return { value: 0.92, text: act.test(own) ? 0.9 : 0.3, page: 0.3 }
  // A script of its own is ordinary in a text that is markup; in a value it is not.
  const isElement = /<\/script|src\s{0,4}=/iu.test(body)
  return isElement ? { value: 0.7, text: 0.3, page: 0.1 } : { value: 0.3, text: 0, page: 0 }
}

const urlScores: Scores = { value: 0.9, text: 0.85, page: 0.6 }
const loadScores: Scores = { value: 0.75, text: 0.6, page: 0.2 }

const loading = /^<(?:iframe|embed|object|base|meta|link)\b/iu
const loaded =
  /srcdoc|rel\s{0,4}=\s{0,4}["']?import|data:text|^<(?:object|embed|base)[\s/]{1,8}(?:data|src|href|code)\s{0,4}=\s{0,4}["']?\/\//iu

/** Elements that no page has, with a handler in any spelling. */
function isOdd(tag: string): boolean {
  const name = /^<\s{0,4}\/?\s{0,4}([a-z][\w:-]{0,40})/iu.exec(tag)?.[1]?.toLowerCase()
  return name !== undefined && !knownTags.test(name) && /on\w{3,24}\s{0,4}=|%6f|o%6e/iu.test(tag)
}

/** How far a tag is read, and what follows the name of a script. */
interface Reach {
  readonly tag: number
  readonly script: number
}

const usualReach: Reach = { tag: 1500, script: 600 }
/** Tags that do not end run into each other; once that much was read, each is looked at no further than this. */
const mostRead = 4 * longest
const shortReach: Reach = { tag: 200, script: 200 }

/** Position after the tag; a bracket inside a quoted attribute ends none. */
function tagEnd(text: string, start: number, reach: number): number {
  const most = Math.min(text.length, start + reach)
  let quote = ''
  for (let at = start + 1; at < most; at += 1) {
    const char = text.charAt(at)
    if (quote !== '') quote = char === quote ? '' : quote
    else if ((char === '"' || char === "'") && text.charAt(at - 1) === '=') quote = char
    else if (char === '>') return at + 1
  }
  return most
}

/** The tag as browsers read it: white space inside a scheme is skipped. */
function squeezed(tag: string): string {
  // oxlint-disable-next-line no-control-regex -- browsers skip them
  return tag.replaceAll(/[\u{0}-\u{20}]/gu, '')
}

interface Tag {
  readonly start: number
  readonly place: Place
  readonly reach: Reach
}

function judgeTag(text: string, { start, place, reach }: Tag): Span {
  const end = tagEnd(text, start, reach.tag)
  const tag = text.slice(start, end)
  const scores = [judgeHandlers(tag, place), isOdd(tag) ? 0.7 : 0]
  if (loading.test(tag) && loaded.test(tag)) scores.push(loadScores[place])
  if (scriptUrl.test(tag) || scriptUrl.test(squeezed(tag))) scores.push(urlScores[place])
  if (/^<[\s/<]{0,8}(?:script|scr\b)/iu.test(tag))
    scores.push(scriptScores(text.slice(start + 4, start + reach.script))[place])
  return { score: Math.max(...scores), start, end }
}

/** Text that closes the attribute or script around it and goes on as code. */
function judgeBreakout(text: string, place: Place): Span {
  const found =
    /^[^<]{0,40}["'`][\s/]{0,4}(?:autofocus[\s/]{1,4})?on[a-z]{3,24}\s{0,4}=|^\s{0,8}(?:javascript|vbscript)\s{0,4}:[^\s]|(?:["'`]\s{0,4}[;)}\]+,-]{1,4}|^)\s{0,4}(?:alert|confirm|prompt|eval)\s{0,4}[(`][^)`]{0,200}[)`]?\s{0,4}(?:;|\/\/|["'`]|$)|["'>]\s{0,4}>?\s{0,4}alert\s{0,4}\(/iu.exec(
      text,
    )
  if (found === null) {
    const at = place === 'value' ? text.search(breakout) : -1
    return at < 0 ? nothing : { score: 0.7, start: at, end: text.length }
  }
  const isSure = act.test(text)
  return { score: isSure ? 0.88 : 0.5, start: found.index, end: found.index + found[0].length }
}

/** Parameters that are there to carry markup. */
const carrying = /html|template|body|content|markdown|markup|text|data|page|source|snippet/iu

function placeOf(text: string, role: Role, name: string): Place {
  if (isPage(text)) return 'page'
  return role === 'text' && (carrying.test(name) || isSentence(text)) ? 'text' : 'value'
}

function judgeText(text: string, role: Role, name: string): Span {
  const place = placeOf(text, role, name)
  let best = judgeBreakout(text, place)
  let [count, read] = [0, 0]
  for (let at = text.indexOf('<'); at >= 0 && count < mostTags; at = text.indexOf('<', at + 1)) {
    count += 1
    if (!/[a-z/!<%\s]/iu.test(text.charAt(at + 1))) continue
    const found = judgeTag(text, { start: at, place, reach: read < mostRead ? usualReach : shortReach })
    read += found.end - at
    if (found.score > best.score) best = found
  }
  return best
}

/** Markup that runs code for whoever is shown it. */
export function detectMarkup({ document, text, role, readings }: Inspection): Span {
  const shown = text.length > longest ? [text.slice(0, longest)] : readings()
  let best = nothing
  for (const reading of shown) {
    const found = hint.test(reading) ? judgeText(reading, role, document.name) : nothing
    if (found.score > best.score) best = found
  }
  return best
}
