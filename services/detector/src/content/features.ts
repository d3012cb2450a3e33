/** Characters that payloads need, as bits: what a text lacks rules most detectors out in one pass. */
export const feature = {
  quote: 1,
  semicolon: 1 << 1,
  pipe: 1 << 2,
  ampersand: 1 << 3,
  angle: 1 << 4,
  dollar: 1 << 5,
  brace: 1 << 6,
  percent: 1 << 7,
  hash: 1 << 8,
  backslash: 1 << 9,
  slash: 1 << 10,
  colon: 1 << 11,
  paren: 1 << 12,
  equals: 1 << 13,
  comma: 1 << 14,
  newline: 1 << 15,
  at: 1 << 16,
  bracket: 1 << 17,
  dash: 1 << 18,
  dot: 1 << 19,
  tilde: 1 << 20,
  star: 1 << 21,
  /** Control characters and everything beyond ASCII. */
  rare: 1 << 22,
  backtick: 1 << 23,
  space: 1 << 24,
  /** A run of 24 or more letters and digits, as encoded data has. */
  run: 1 << 25,
  /** Letters of the scripts beyond the Indic ones: Thai, Chinese, Japanese, Korean. */
  distant: 1 << 26,
} as const

const byChar: Readonly<Record<string, number>> = {
  "'": feature.quote,
  '"': feature.quote,
  '`': feature.quote | feature.backtick,
  ';': feature.semicolon,
  '|': feature.pipe,
  '&': feature.ampersand,
  '<': feature.angle,
  '>': feature.angle,
  $: feature.dollar,
  '{': feature.brace,
  '}': feature.brace,
  '%': feature.percent,
  '#': feature.hash,
  '\\': feature.backslash,
  '/': feature.slash,
  ':': feature.colon,
  '(': feature.paren,
  ')': feature.paren,
  '=': feature.equals,
  ',': feature.comma,
  '\n': feature.newline,
  '@': feature.at,
  '[': feature.bracket,
  '-': feature.dash,
  '.': feature.dot,
  '~': feature.tilde,
  '*': feature.star,
  ' ': feature.space,
  '\t': feature.space,
}

const longRun = 24
const table = new Uint32Array(128)
for (let code = 0; code < 32; code += 1)
  table[code] = code === 9 || code === 10 || code === 13 ? 0 : feature.rare
for (const [char, bits] of Object.entries(byChar)) table[char.charCodeAt(0)] = bits

function bitsBeyond(code: number): number {
  const isNear = code < 0x0e00 || (code >= 0x2000 && code < 0x3000)
  return isNear ? feature.rare : feature.rare | feature.distant
}

/** The bits of all characters of the text. */
export function featuresOf(text: string): number {
  let bits = 0
  let run = 0
  let longest = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    const own = code < 128 ? (table[code] ?? 0) : bitsBeyond(code)
    bits |= own
    // A plus or a slash continues a run of base64; a slash sets its own bit as well.
    run = own === 0 || code === 47 ? run + 1 : 0
    if (run > longest) longest = run
  }
  return longest >= longRun ? bits | feature.run : bits
}
