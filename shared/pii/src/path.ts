import { FRAME, type Records } from './json.ts'

const SEGMENTS_MAX = 16
const SAFE = /^[A-Za-z_$][A-Za-z_$0-9-]{0,39}$/

/** A key as it may appear in a path: identifier-like and without long digits, else `*`, so no path carries personal data. */
export const safeSegment = (key: string): string => {
  if (!SAFE.test(key)) return '*'
  return (key.match(/[0-9]/g)?.length ?? 0) > 4 ? '*' : key
}

const joined = (segments: readonly string[]): string => {
  let path = ''
  for (const segment of segments) path += segment === '[]' || path === '' ? segment : `.${segment}`
  return path
}

/** Key of a leaf or frame that begins at `start`, read up to its closing quote. */
const keyAt = (text: string, start: number): string => {
  const end = text.indexOf('"', start)
  return end < 0 || end - start > 64 ? '*' : safeSegment(text.slice(start, end))
}

/** Path of a leaf: keys joined by dots, `[]` for any array element, at most 16 segments. */
export const pathOf = (records: Records, keyStart: number, frame: number): string => {
  const segments: string[] = [keyStart < 0 ? '[]' : keyAt(records.text, keyStart)]
  for (let at = frame; at > 0 && segments.length < SEGMENTS_MAX; at = records.frames[at * FRAME] ?? 0) {
    const start = records.frames[at * FRAME + 1] ?? -1
    const parent = records.frames[at * FRAME] ?? 0
    if (start >= 0) segments.unshift(keyAt(records.text, start))
    else if (parent > 0) segments.unshift('[]')
  }
  return joined(segments)
}
