import { FRAME, type Records } from './json.ts'
import { segmentAt } from './keys.ts'

const SEGMENTS_MAX = 16
const KEY_MAX = 64

/** Key that begins at `start`, read up to its closing quote. */
const keyAt = (records: Records, start: number): string => {
  const { source } = records
  let end = start
  while (end - start <= KEY_MAX && end < source.size && source.bytes[end] !== 34) end++
  return segmentAt(source, start, end)
}

const below = (path: string, segment: string): string => {
  if (path === '') return segment
  return segment === '[]' ? path + segment : `${path}.${segment}`
}

/** Path of a container, made once per document. */
const framePath = (records: Records, frame: number): string => {
  const chain: number[] = []
  let at = frame
  for (; at > 0 && records.paths[at] === undefined; at = records.frames[at * FRAME] ?? 0) chain.push(at)
  let path = at > 0 ? (records.paths[at] ?? '') : ''
  for (let i = chain.length - 1; i >= 0; i--) {
    const one = chain[i] ?? 0
    if (chain.length - i <= SEGMENTS_MAX) path = below(path, segmentOf(records, one))
    records.paths[one] = path
  }
  return path
}

/** The outermost container has no key and is nobody's element. */
const segmentOf = (records: Records, frame: number): string => {
  const start = records.frames[frame * FRAME + 1] ?? -1
  if (start >= 0) return keyAt(records, start)
  return (records.frames[frame * FRAME] ?? 0) > 0 ? '[]' : ''
}

/** Path of a leaf: keys joined by dots, `[]` for any array element, bounded in length. */
export const pathOf = (records: Records, keyStart: number, frame: number): string => {
  const path = framePath(records, frame)
  if (keyStart >= 0) return below(path, keyAt(records, keyStart))
  return frame > 0 ? below(path, '[]') : path
}

/** A path below a prefix. */
export const prefixed = (prefix: string, path: string): string => {
  if (prefix === '' || path === '') return prefix + path
  return path.startsWith('[]') ? prefix + path : `${prefix}.${path}`
}
