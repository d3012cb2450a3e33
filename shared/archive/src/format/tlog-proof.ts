import { decodeBase64 } from './base64.ts'
import { hashBytes } from './merkle.ts'
import { maxPathHashes } from './proofs.ts'

/** A proof that an entry is in a log, with the checkpoint that says so: https://c2sp.org/tlog-proof */
export interface TlogProof {
  /** What the maker of the proof added; nothing vouches for it. */
  readonly extra: Buffer | undefined
  readonly index: number
  /** The audit path of the entry, leaf first. */
  readonly path: readonly Buffer[]
  /** The signed note. */
  readonly checkpoint: Buffer
}

const header = 'c2sp.org/tlog-proof@v1'
/** Bounds what a stranger can make us parse. */
const maxProofBytes = 256 * 1024 * 1024

/** The proof as a text file. */
export function formatTlogProof({ extra, index, path, checkpoint }: TlogProof): Buffer {
  const lines = [
    header,
    ...(extra === undefined ? [] : [`extra ${extra.toString('base64')}`]),
    `index ${index}`,
    ...path.map(hash => hash.toString('base64')),
    '',
  ]
  return Buffer.concat([Buffer.from(lines.join('\n') + '\n'), checkpoint])
}

/** Base64 of audit paths; `undefined` where one is not that of a hash. */
export function parseHashes(lines: readonly string[]): readonly Buffer[] | undefined {
  const hashes = lines.map(decodeBase64).filter(hash => hash?.length === hashBytes)
  const isWhole = hashes.length === lines.length && lines.length <= maxPathHashes
  return isWhole ? hashes.filter(hash => hash !== undefined) : undefined
}

function parseIndex(line = ''): number | undefined {
  const digits = /^index (0|[1-9]\d{0,15})$/u.exec(line)?.[1]
  return digits === undefined || !Number.isSafeInteger(Number(digits)) ? undefined : Number(digits)
}

interface Head {
  readonly extra: Buffer | undefined
  readonly rest: readonly string[]
}

function parseExtra(lines: readonly string[]): Head | undefined {
  const [first = ''] = lines
  if (!first.startsWith('extra ')) return { extra: undefined, rest: lines }
  const extra = decodeBase64(first.slice('extra '.length))
  return extra === undefined ? undefined : { extra, rest: lines.slice(1) }
}

/** Reads a proof; `undefined` where it is not exactly one, taking the strictest reading of the format. */
export function parseTlogProof(bytes: Buffer): TlogProof | undefined {
  const end = bytes.indexOf('\n\n')
  if (bytes.length > maxProofBytes || end < 0) return undefined
  const [first, ...lines] = bytes.toString('latin1', 0, end).split('\n')
  const head = first === header ? parseExtra(lines) : undefined
  const index = parseIndex(head?.rest[0])
  const path = head && parseHashes(head.rest.slice(1))
  if (head === undefined || index === undefined || path === undefined) return undefined
  return { extra: head.extra, index, path, checkpoint: bytes.subarray(end + 2) }
}
