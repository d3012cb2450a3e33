import * as zlib from 'node:zlib'
import type { Transform } from 'node:stream'
import { maxBodyBytes } from '../describe.ts'
import type { Body } from '../record.ts'

/** Bytes that all bodies under way may hold together; what comes when it is used up is cut, not refused. */
export interface Budget {
  readonly take: (bytes: number) => boolean
  readonly give: (bytes: number) => void
}

export function createBudget(maxBytes: number): Budget {
  let left = maxBytes
  return {
    take: bytes => {
      if (bytes > left) return false
      left -= bytes
      return true
    },
    give: bytes => {
      left += bytes
    },
  }
}

/** Collects a body up to a bound; of a longer one the beginning is kept. */
export interface Keeper {
  readonly push: (chunk: Uint8Array) => void
  readonly body: () => Extract<Body, { raw: Uint8Array }>
  readonly isWhole: () => boolean
  readonly release: () => void
}

const cutBytes = 64 * 1024

export function createKeeper(budget: Budget): Keeper {
  let parts: Uint8Array[] = []
  let [kept, size] = [0, 0]
  const cut = (): void => {
    parts = [new Uint8Array(Buffer.concat(parts).subarray(0, cutBytes))]
    budget.give(kept)
    kept = 0
  }
  return {
    push: chunk => {
      const wasWhole = kept === size
      size += chunk.length
      if (!wasWhole) return
      const fits = size <= maxBodyBytes && budget.take(chunk.length)
      parts.push(chunk)
      if (fits) kept += chunk.length
      else cut()
    },
    body: () => ({ raw: Buffer.concat(parts), sizeBytes: size }),
    isWhole: () => kept === size,
    release: () => {
      budget.give(kept)
      parts = []
      kept = -1
    },
  }
}

/** Takes the bytes of a body as they travel. */
export interface Decoder {
  readonly push: (chunk: Uint8Array) => void
  /** Calls back once everything before was decoded, or could not be. */
  readonly end: (done: () => void) => void
}

function inflaterOf(encoding: string): Transform | undefined {
  const flush = zlib.constants.Z_SYNC_FLUSH
  if (encoding === 'gzip' || encoding === 'x-gzip') return zlib.createGunzip({ flush, finishFlush: flush })
  if (encoding === 'deflate') return zlib.createInflate({ flush, finishFlush: flush })
  if (encoding === 'br') return zlib.createBrotliDecompress({ flush: zlib.constants.BROTLI_OPERATION_FLUSH })
  // Newer than the oldest Node that is supported.
  const zstd: unknown = Reflect.get(zlib, 'createZstdDecompress')
  return encoding === 'zstd' && typeof zstd === 'function' ? zstd() : undefined
}

function inflating(stream: Transform, onChunk: (chunk: Uint8Array) => void): Decoder {
  let isOver = false
  let waiting: (() => void) | undefined
  const over = (): void => {
    isOver = true
    waiting?.()
    waiting = undefined
  }
  stream.on('data', onChunk)
  stream.on('end', over)
  stream.on('error', over)
  return {
    push: chunk => {
      if (!isOver) stream.write(chunk)
    },
    end: done => {
      if (isOver) return done()
      waiting = done
      stream.end()
    },
  }
}

function atOnce(done: () => void): void {
  done()
}

/** Undoes a content encoding; what is in one that is not known is not read. */
export function createDecoder(encoding: string | undefined, onChunk: (chunk: Uint8Array) => void): Decoder {
  const name = encoding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return { push: onChunk, end: atOnce }
  const stream = inflaterOf(name)
  return stream === undefined ? { push: () => undefined, end: atOnce } : inflating(stream, onChunk)
}
