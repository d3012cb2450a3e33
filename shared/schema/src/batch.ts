import { AppError } from './error.ts'

/** Largest value of one record in bytes: below Kafka's default `message.max.bytes` with room for headers. */
export const maxRecordBytes = 900_000

/**
 * Plain form of a batch, before compression and sealing. For each observation one frame:
 * three u32 little-endian lengths (envelope, request, response; 0xffffffff = absent), then the bytes.
 * The envelope is the JSON of an `Observation`; request and response are the messages exactly as they were on the wire.
 */
export interface Frame {
  readonly envelope: Uint8Array
  readonly request?: Uint8Array | undefined
  readonly response?: Uint8Array | undefined
}

const absent = 0xff_ff_ff_ff
const headBytes = 12

/** Bytes that a frame takes in a batch. */
export function frameBytes(frame: Frame): number {
  return headBytes + frame.envelope.length + (frame.request?.length ?? 0) + (frame.response?.length ?? 0)
}

/** Concatenates frames into the plain form of a batch. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array {
  const out = new Uint8Array(frames.reduce((sum, frame) => sum + frameBytes(frame), 0))
  const view = new DataView(out.buffer)
  let at = 0
  for (const { envelope, request, response } of frames) {
    view.setUint32(at, envelope.length, true)
    view.setUint32(at + 4, request?.length ?? absent, true)
    view.setUint32(at + 8, response?.length ?? absent, true)
    at += headBytes
    for (const part of [envelope, request, response]) {
      if (part === undefined) continue
      out.set(part, at)
      at += part.length
    }
  }
  return out
}

/** Splits the plain form of a batch into frames (views, not copies). Throws `BATCH_MALFORMED` where a length does not fit. */
export function* decodeFrames(bytes: Uint8Array): Generator<Frame> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const take = (length: number): Uint8Array | undefined => {
    if (length === absent) return undefined
    if (at + length > bytes.length)
      throw new AppError('BATCH_MALFORMED', `A frame ends after its batch, at byte ${at}.`)
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    if (at + headBytes > bytes.length)
      throw new AppError('BATCH_MALFORMED', `A frame head is cut, at byte ${at}.`)
    const lengths = [0, 4, 8].map(offset => view.getUint32(at + offset, true))
    at += headBytes
    const [envelope, request, response] = lengths.map(take)
    if (envelope === undefined)
      throw new AppError('BATCH_MALFORMED', `A frame has no envelope, before byte ${at}.`)
    yield { envelope, request, response }
  }
}

/** Clear headers of a sealed batch; all of them are bound to the ciphertext as associated data. */
export interface BatchHeaders {
  readonly lane: string
  /** First and last sequence number inside, both included. */
  readonly firstSeq: number
  readonly lastSeq: number
  /** Id of the ingest key it is sealed to. */
  readonly kid: string
  readonly encoding: 'zstd' | 'gzip'
  /** 1-based: an observation too large for one record is split over consecutive records of its lane. */
  readonly part: number
  readonly parts: number
}

const names = {
  version: 'mun_v',
  firstSeq: 'mun_first',
  lastSeq: 'mun_last',
  kid: 'mun_kid',
  encoding: 'mun_enc',
  part: 'mun_part',
} as const

/** Record headers of a sealed batch; the lane is the record's key. */
export function batchHeaders(batch: BatchHeaders): Record<string, string> {
  return {
    [names.version]: '1',
    [names.firstSeq]: String(batch.firstSeq),
    [names.lastSeq]: String(batch.lastSeq),
    [names.kid]: batch.kid,
    [names.encoding]: batch.encoding,
    [names.part]: `${batch.part}/${batch.parts}`,
  }
}

/** Associated data of a sealed batch: every clear header, one a line. */
export function batchAad(batch: BatchHeaders): Uint8Array {
  const { lane, firstSeq, lastSeq, kid, encoding, part, parts } = batch
  return new TextEncoder().encode(
    ['muniment-sealed-batch/v1', lane, firstSeq, lastSeq, kid, encoding, `${part}/${parts}`].join('\n'),
  )
}

const maxParts = 64

function whole(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/u.test(text))
    throw new AppError('BATCH_MALFORMED', 'A sealed batch has a header that is no whole number.')
  return Number(text)
}

function encodingOf(text: string | undefined): 'zstd' | 'gzip' {
  if (text === 'zstd' || text === 'gzip') return text
  throw new AppError('BATCH_MALFORMED', 'A sealed batch names no known compression.')
}

function partsOf(text: string | undefined): { readonly part: number; readonly parts: number } {
  const [part, parts] = (text ?? '').split('/').map(whole)
  if (part === undefined || parts === undefined || part < 1 || part > parts || parts > maxParts)
    throw new AppError('BATCH_MALFORMED', 'A sealed batch has an impossible part number.')
  return { part, parts }
}

/** Reads the clear headers of a sealed batch. Throws `SCHEMA_UNKNOWN` for another version, `BATCH_MALFORMED` for anything unfit. */
export function parseBatchHeaders(
  lane: string | null,
  headers: Readonly<Record<string, string>>,
): BatchHeaders {
  const version = headers[names.version]
  if (version !== '1')
    throw new AppError(
      'SCHEMA_UNKNOWN',
      `A sealed batch has version ${String(version).slice(0, 20)}; known: 1.`,
    )
  const kid = headers[names.kid]
  if (lane === null || lane.length > 512 || kid === undefined || kid.length > 128)
    throw new AppError('BATCH_MALFORMED', 'A sealed batch lacks its lane or key id.')
  const [firstSeq, lastSeq] = [whole(headers[names.firstSeq]), whole(headers[names.lastSeq])]
  if (lastSeq < firstSeq) throw new AppError('BATCH_MALFORMED', 'A sealed batch ends before it begins.')
  return {
    lane,
    firstSeq,
    lastSeq,
    kid,
    encoding: encodingOf(headers[names.encoding]),
    ...partsOf(headers[names.part]),
  }
}
