const mostRounds = 3

const entities: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
  sol: '/',
  colon: ':',
  lpar: '(',
  rpar: ')',
  equals: '=',
  comma: ',',
  newline: '\n',
  tab: '\t',
  nbsp: ' ',
}

function entityText(whole: string, name: string): string {
  if (!name.startsWith('#')) return entities[name.toLowerCase()] ?? whole
  const isHex = name[1] === 'x' || name[1] === 'X'
  const code = Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10)
  return code > 0 && code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole
}

/** `%41`, `%u0041`; over-long UTF-8 for `/`, `\` and `.` as broken servers read it. */
export function decodePercent(text: string): string {
  return text
    .replaceAll(/%c0%a[ef]|%c1%9c|%c0%(?:2[ef]|5c)|%c1%1c|%e0%80%a[ef]|%c0%[ef]e/giu, found => {
      const last = found.slice(-2).toLowerCase()
      if (last === 'ae' || last === '2e' || last === 'ee' || last === 'fe') return '.'
      return last === '9c' || last === '5c' || last === '1c' ? '\\' : '/'
    })
    .replaceAll(/%(?:e0|f0%80|f8%80%80|fc%80%80%80)%80%a([ef])/giu, (_, last: string) =>
      last === 'e' || last === 'E' ? '.' : '/',
    )
    .replaceAll(/%uf025|%u221[56]/giu, '/')
    .replaceAll(/%u([0-9a-f]{4})/giu, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll(/%([0-9a-f]{2})/giu, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function decodeEscapes(text: string): string {
  return text
    .replaceAll(/\\x([0-9a-f]{2})/giu, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll(/\\u\{?([0-9a-f]{4,5})\}?/giu, (_, hex: string) =>
      String.fromCodePoint(Number.parseInt(hex, 16)),
    )
}

function decodeOnce(text: string): string {
  let decoded = text
  if (/%(?:u?[0-9a-f]{2})/iu.test(decoded)) decoded = decodePercent(decoded)
  if (/&[#a-z0-9]{2,8};?/iu.test(decoded))
    decoded = decoded
      .replaceAll(/&(lt|gt|quot|apos)(?![;a-z]?;)/giu, entityText)
      .replaceAll(/&(#x0{0,8}[0-9a-f]{1,6}|#0{0,8}\d{1,7}|[a-z]{2,7});?/giu, entityText)
  if (/\\[xu]/iu.test(decoded)) decoded = decodeEscapes(decoded)
  return decoded
}

function fold(text: string): string {
  return (
    text
      .normalize('NFKC')
      // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- inserted to break words
      .replaceAll(/[\u{1}\u{ad}\u{200b}-\u{200f}\u{2060}\u{feff}\u{e0000}-\u{e007f}]/gu, '')
  )
}

// oxlint-disable-next-line no-control-regex -- any character outside printable ASCII may need folding
const needsDecoding = /[^\u{9}\u{a}\u{d} -~]|%(?:u?[0-9a-f]{2})|&[#a-z]|\\[xu]/iu

/** The text as its readers may see it: percent, entity and escape decoding up to three rounds, compatibility forms folded. The text itself comes first. */
export function readings(text: string): readonly string[] {
  const blob = text.length < 8192 ? decodeBlob(text) : undefined
  if (blob !== undefined) return [text, ...readings(blob).slice(-1)]
  if (!needsDecoding.test(text)) return [text]
  let decoded = text
  for (let round = 0; round < mostRounds; round += 1) {
    const next = decodeOnce(decoded)
    if (next === decoded) break
    decoded = next
  }
  const folded = fold(decoded)
  return folded === text ? [text] : [text, folded]
}

const base64 = /^[A-Za-z0-9+/_-]{12,4096}={0,2}$/u
const printable = /^[\t\n\r -~\u{a0}-\u{fffc}]{8,}$/u

/** Readable, and mostly of plain letters: short bytes often make rare characters by accident. */
function isReadable(text: string): boolean {
  if (!printable.test(text)) return false
  const plain = text.match(/[\t\n\r -~]/gu)?.length ?? 0
  return plain >= text.length * 0.9
}

/** What a text says that is base64 or hexadecimal as a whole; `undefined` where it is neither, or says nothing readable. */
export function decodeBlob(text: string): string | undefined {
  const isHex = text.length >= 16 && text.length % 2 === 0 && /^[0-9a-f]{16,4096}$/iu.test(text)
  if (!isHex && (!base64.test(text) || /^(?:[a-z]+|[A-Z]+|\d+)$/u.test(text))) return undefined
  const decoded = Buffer.from(text, isHex ? 'hex' : 'base64').toString('utf8')
  return isReadable(decoded) && /[\s/:.=;,]/u.test(decoded) ? decoded : undefined
}
