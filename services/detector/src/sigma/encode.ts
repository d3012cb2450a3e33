import { AppError } from '@muniment/schema'
import type { Scalar } from './facts.ts'

/** A text to look for; cased where it was encoded, since base64 tells the cases apart. */
export interface Wanted {
  readonly value: Scalar
  readonly isCased: boolean
}

const dashes = ['-', '/', '–', '—', '―']

function windash(text: string): readonly string[] {
  const marked = text.replaceAll(/(?<=^|\s)[-/–—―](?=[\w?])/gu, '\u{1}')
  return [...new Set([text, ...dashes.map(dash => marked.replaceAll('\u{1}', dash))])]
}

function utf16be(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16()
}

const encodings: Readonly<Record<string, (text: string) => Buffer>> = {
  utf16le: text => Buffer.from(text, 'utf16le'),
  wide: text => Buffer.from(text, 'utf16le'),
  utf16be,
  utf16: text => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]),
}

/** What stays the same of the base64 of `bytes` whatever stands before and after them, for each of the three offsets. */
function offsets(bytes: Buffer): readonly string[] {
  return [0, 1, 2].map(shift => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '')
    const [first, last] = [[0, 2, 3][shift] ?? 0, (bytes.length + shift) % 3 === 0 ? 0 : 1]
    return text.slice(first, last === 0 ? undefined : -last)
  })
}

interface Encoder {
  readonly name: string
  readonly modifiers: ReadonlySet<string>
  readonly placeholders: Readonly<Record<string, readonly string[]>>
}

function expand(text: string, { name, placeholders }: Encoder): readonly string[] {
  const found = /%([\w-]{1,64})%/u.exec(text)
  if (found === null) return [text]
  const values = placeholders[found[1] ?? '']
  if (values === undefined || values.length === 0)
    throw new AppError('CONFIG_INVALID', `${name} uses the placeholder ${found[0]}, which has no values`, {
      hint: 'Give its values under muniment.placeholders.',
    })
  return values.flatMap(value =>
    expand(text.replace(found[0], value), { name, modifiers: new Set(), placeholders }),
  )
}

function encodeText(text: string, { modifiers }: Encoder): readonly string[] {
  const encoding = Object.keys(encodings).find(name => modifiers.has(name))
  const bytes = encoding === undefined ? Buffer.from(text) : (encodings[encoding] ?? utf16be)(text)
  if (modifiers.has('base64offset')) return offsets(bytes)
  if (modifiers.has('base64')) return [bytes.toString('base64')]
  // Without base64 the bytes are looked for as the characters that logs show them as.
  return [encoding === undefined ? text : bytes.toString('latin1')]
}

/** Applies the modifiers that change the value looked for: expand, windash, utf16*, wide, base64, base64offset. */
export function wantedValues(value: Scalar, encoder: Encoder): readonly Wanted[] {
  if (typeof value !== 'string') return [{ value, isCased: false }]
  const { modifiers } = encoder
  const expanded = modifiers.has('expand') ? expand(value, encoder) : [value]
  const dashed = modifiers.has('windash') ? expanded.flatMap(windash) : expanded
  const isCased = modifiers.has('cased') || modifiers.has('base64') || modifiers.has('base64offset')
  return dashed.flatMap(text => encodeText(text, encoder)).map(text => ({ value: text, isCased }))
}
