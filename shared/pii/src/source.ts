import { INVISIBLE } from './chars.ts'
import { dropInvisible, FOLD } from './fold.ts'

/** From an offset of a decoded text to the offset of the same place in the text it was decoded from. */
export type OffsetMap = (offset: number) => number

/** A text with its folded codes, one per UTF-16 unit. */
export interface Source {
  readonly bytes: Uint8Array
  readonly size: number
  /** The text the codes were made from; built only when somebody asks. */
  readonly text: () => string
  /** The text, where it is long ASCII without backslashes and control signs: what is looked for there, the engine finds many codes at a time. */
  readonly plain: string | undefined
}

const encoder = new TextEncoder()
const KEPT_MAX = 1 << 20

/** One buffer per level of nesting, grown on demand; big ones are given back after use. */
const buffers: Uint8Array[] = []

export const bufferAt = (level: number, size: number): Uint8Array => {
  const known = buffers[level]
  if (known !== undefined && known.length >= size) return known
  const fresh = new Uint8Array(Math.max(4096, 2 ** Math.ceil(Math.log2(size + 1))))
  buffers[level] = fresh
  return fresh
}

export const releaseBuffers = (): void => {
  for (let level = 0; level < buffers.length; level++)
    if ((buffers[level]?.length ?? 0) > KEPT_MAX) buffers[level] = new Uint8Array(4096)
}

/** Folds unit by unit; true when an invisible one was met. */
const foldInto = (text: string, bytes: Uint8Array): boolean => {
  let isClean = 1
  for (let i = 0; i < text.length; i++) {
    const code = FOLD[text.charCodeAt(i)] ?? 0
    if (code === INVISIBLE) isClean = 0
    bytes[i] = code
  }
  return isClean === 0
}

/** A line break behind the codes: a search for one ends there, and not at the end of a buffer that may be far. */
export const close = (bytes: Uint8Array, size: number): void => {
  bytes[size] = 10
}

/** Folded codes of a text, with room for one more in `bytes`; false when it holds invisible units and must be read without them. ASCII is copied natively. */
export const fill = (text: string, bytes: Uint8Array): boolean => {
  const isClean = fillAscii(text, bytes) || !foldInto(text, bytes)
  close(bytes, text.length)
  return isClean
}

/** Copies ASCII; false for any other text, of which only a part may have been copied. */
const fillAscii = (text: string, bytes: Uint8Array): boolean => {
  const { read, written } = encoder.encodeInto(text, bytes)
  return read === text.length && written === text.length
}

const PLAIN_MIN = 160
/** Two, because the engine reads sixteen codes at a time only for a class of up to sixteen signs. */
const CONTROLS = [/[\0-\x0f]/, /[\x10-\x1f]/] // oxlint-disable-line no-control-regex -- they are what is asked for

/** Whether a text of ASCII has neither backslashes nor control signs. */
const isPlain = (text: string): boolean =>
  text.length >= PLAIN_MIN && !text.includes('\\') && !CONTROLS.some(signs => signs.test(text))

/** The source of a whole text, with the way back to its offsets. */
export const openText = (text: string): { source: Source; toRaw: OffsetMap } => {
  const bytes = bufferAt(0, text.length)
  const isAscii = fillAscii(text, bytes)
  if (isAscii || !foldInto(text, bytes)) {
    close(bytes, text.length)
    const plain = isAscii && isPlain(text) ? text : undefined
    return { source: { bytes, size: text.length, text: () => text, plain }, toRaw: offset => offset }
  }
  const visible = dropInvisible(text)
  fill(visible.text, bytes)
  const source: Source = { bytes, size: visible.text.length, text: () => visible.text, plain: undefined }
  return { source, toRaw: offset => visible.from[offset] ?? text.length }
}
