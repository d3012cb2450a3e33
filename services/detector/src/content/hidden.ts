import { nothing, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'

const hint =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- finding such characters is the purpose
  /[\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180b}-\u{180e}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}\u{e0000}-\u{e01ef}\u{8}\u{1b}]/u
/** Subdivision flags are a black flag, tag letters and a cancel tag: https://www.unicode.org/reports/tr51/ ED-14a. */
const flags = /\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{3,6}\u{e007f}/gu
const tags = /[\u{e0001}\u{e0020}-\u{e007e}]/gu
// oxlint-disable-next-line no-misleading-character-class -- single characters are meant
const selectors = /[\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}]{2,}|[\u{e0100}-\u{e01ef}]/gu
const overrides = /[\u{202d}\u{202e}]/u
const embeddings = /[\u{202a}\u{202b}\u{2066}-\u{2068}]/gu
const ends = /[\u{202c}\u{2069}]/gu
const invisible =
  // oxlint-disable-next-line no-misleading-character-class -- single characters are meant
  /[\u{ad}\u{34f}\u{115f}\u{1160}\u{180e}\u{200b}\u{2060}-\u{2064}\u{206a}-\u{206f}\u{3164}\u{feff}\u{ffa0}]/gu
/** Joiners between letters of scripts that need none. */
const joiners = /(?<=[A-Za-z0-9])[\u{200c}\u{200d}]{1,64}(?=[A-Za-z0-9\u{200b}])/gu
const runs = /[\u{200b}-\u{200d}\u{2060}-\u{2064}\u{feff}]{4,}/u
// oxlint-disable-next-line no-control-regex -- terminal control sequences hide and rewrite text
const terminal = /\u{1b}\[(?:8|30;40|2k|1a|\d{0,3}[hj])m?|\u{8}{3,}/iu

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}

/** Each way of hiding, most telling first, with how much of it is too much. */
const ways: readonly (readonly [(text: string) => boolean, number])[] = [
  [text => count(text, tags) >= 3, 0.97],
  [text => overrides.test(text), 0.9],
  [text => runs.test(text), 0.9],
  [text => count(text, selectors) >= 3, 0.88],
  [text => count(text, invisible) + count(text, joiners) >= 8, 0.8],
  [text => terminal.test(text), 0.75],
  [text => count(text, tags) > 0, 0.7],
  [text => count(text, embeddings) > count(text, ends), 0.6],
]

function judge(text: string): number {
  const plain = text.replaceAll(flags, '')
  return ways.find(([isUsed]) => isUsed(plain))?.[1] ?? 0
}

/** Characters that a person does not see and a model reads, or that show a text in another order than it is read. */
export function detectHidden({ text }: Inspection): Span {
  const at = text.search(hint)
  return at < 0 ? nothing : { score: judge(text), start: at, end: text.length }
}
