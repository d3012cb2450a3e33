import { hash } from 'node:crypto'
import { AppError } from '@muniment/schema'

/** A log in tiles: https://c2sp.org/tlog-tiles. Paths are below `log/`. */
export const tileWidth = 256
const tileHeight = 8

/** Where every part of the log lies. */
export const logPrefix = 'log/'
/** The order of entries, decided once by creating the object at a position; tiles follow from it. */
export const sequencePrefix = 'log/seq/v1/'

/** One tile, or with level `entries` one bundle of entries; narrower than 256 while the log ends in it. */
export interface Tile {
  readonly level: number | 'entries'
  readonly index: number
  readonly width: number
}

function indexPath(index: number): string {
  const digits = String(index).padStart(3, '0')
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/gu) ?? []
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
}

/** Key of a tile. */
export function tileKey({ level, index, width }: Tile): string {
  const partial = width === tileWidth ? '' : `.p/${width}`
  return `${logPrefix}tile/${level}/${indexPath(index)}${partial}`
}

const tilePattern = /^log\/tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/u

/** The tile a key names, if it is the one way to write it. */
export function parseTileKey(key: string): Tile | undefined {
  const match = tilePattern.exec(key)
  if (match === null) return undefined
  const [, level = '', path = '', width] = match
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    index: Number(path.replaceAll(/[x/]/gu, '')),
    width: width === undefined ? tileWidth : Number(width),
  }
  return tile.width <= tileWidth && tileKey(tile) === key ? tile : undefined
}

/** Key of the batch of entries that starts at `start`. */
export function sequenceKey(start: number): string {
  return `${sequencePrefix}${String(start).padStart(20, '0')}`
}

/** Where the batch of a key starts, if the key is the one way to write it. */
export function parseSequenceKey(key: string): number | undefined {
  const start = Number(key.slice(sequencePrefix.length))
  return sequenceKey(start) === key ? start : undefined
}

/** Checkpoints with cosignatures, kept for good. */
export const cosignedPrefix = 'log/cosigned/v1/'

/** Key of a checkpoint with cosignatures: by its size and content, so that no byte of it can change unseen. */
export function cosignedKey(treeSize: number, note: Uint8Array): string {
  return `${cosignedPrefix}${String(treeSize).padStart(20, '0')}-${hash('sha256', note, 'hex').slice(0, 32)}`
}

/** How many hashes a level has in a log of `size` entries; each stands for 256^level entries. */
function countAt(level: number, size: number): number {
  return Math.floor(size / 2 ** (tileHeight * level))
}

function tilesOfLevel(level: Tile['level'], from: number, to: number): readonly Tile[] {
  const tiles: Tile[] = []
  for (let index = Math.floor(from / tileWidth); index * tileWidth < to; index++) {
    const width = Math.min(tileWidth, to - index * tileWidth)
    if (from < index * tileWidth + width) tiles.push({ level, index, width })
  }
  return tiles
}

/** The entries that a tile, or a bundle, stands for. */
export function entriesOf({ level, index, width }: Tile): { readonly first: number; readonly next: number } {
  const each = level === 'entries' ? 1 : 2 ** heightOf(level)
  return { first: index * tileWidth * each, next: (index * tileWidth + width) * each }
}

/** Tiles to write when a log grows; `from` 0 gives all tiles of a log of `to` entries. Entries come first. */
export function tilesBetween(from: number, to: number): readonly Tile[] {
  const tiles = [...tilesOfLevel('entries', from, to)]
  for (let level = 0; countAt(level, to) > 0; level++) {
    tiles.push(...tilesOfLevel(level, countAt(level, from), countAt(level, to)))
  }
  return tiles
}

/** Height of the subtrees whose hashes a level holds. */
export function heightOf(level: number): number {
  return level * tileHeight
}

const maxEntryBytes = 65_535

/** Entries as a bundle: a 16-bit length before each. */
export function bundleBytes(entries: readonly Buffer[]): Buffer {
  return Buffer.concat(
    entries.flatMap(entry => {
      if (entry.length > maxEntryBytes)
        throw new AppError('LIMIT_EXCEEDED', `a log entry of ${entry.length} bytes`)
      const length = Buffer.alloc(2)
      length.writeUInt16BE(entry.length)
      return [length, entry]
    }),
  )
}

/** The entries of a bundle; `undefined` where it is not exactly one. */
export function parseBundle(bytes: Buffer): readonly Buffer[] | undefined {
  const entries: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + 2 > bytes.length) return undefined
    const end = at + 2 + bytes.readUInt16BE(at)
    if (end > bytes.length) return undefined
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  return entries
}
