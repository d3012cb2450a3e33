// Must be imported before any package under test. Takes away what would make two runs of one seed differ: the timers and the
// clock that packages take from Node, and the order in which its thread pool finishes.
import { syncBuiltinESMExports } from 'node:module'
import { setImmediate as nextTurn } from 'node:timers'
import timers from 'node:timers/promises'
import zlib from 'node:zlib'
import type { Time } from './time.ts'

let time: Time | undefined

/** Makes the packages' timers and clock those of a run. */
export function useTime(run: Time | undefined): void {
  time = run
}

/** Resolves when nothing goes on by itself any more: all promises have settled, only what is due in virtual time is left. */
export function quiet(): Promise<void> {
  return new Promise(resolve => nextTurn(resolve))
}

// The same work at once, its result a little later: a thread pool without threads.
function later<T>(compute: () => T, done: (error: Error | null, value?: T) => void): void {
  const answer = (): void => {
    let value: T
    try {
      value = compute()
    } catch (error) {
      done(error instanceof Error ? error : new Error('failed'))
      return
    }
    done(null, value)
  }
  if (time === undefined) nextTurn(answer)
  else time.after(1, answer)
}

type Done = (error: Error | null, value?: Buffer) => void

function replaceZlib(): void {
  const { zstdCompressSync, zstdDecompressSync, gunzipSync } = zlib
  Object.assign(zlib, {
    zstdCompress: (bytes: Uint8Array, options: Done | zlib.ZstdOptions, done?: Done) =>
      typeof options === 'function'
        ? later(() => zstdCompressSync(bytes), options)
        : later(() => zstdCompressSync(bytes, options), done ?? (() => undefined)),
    zstdDecompress: (bytes: Uint8Array, options: Done | zlib.ZstdOptions, done?: Done) =>
      typeof options === 'function'
        ? later(() => zstdDecompressSync(bytes), options)
        : later(() => zstdDecompressSync(bytes, options), done ?? (() => undefined)),
    gunzip: (bytes: Uint8Array, options: Done | zlib.ZlibOptions, done?: Done) =>
      typeof options === 'function'
        ? later(() => gunzipSync(bytes), options)
        : later(() => gunzipSync(bytes, options), done ?? (() => undefined)),
  })
}

function replaceTimers(): void {
  const { setTimeout: realTimeout, setImmediate: realImmediate } = timers
  const sleep = <T>(delayMs: number, value: T, options?: { signal?: AbortSignal }): Promise<T> => {
    const run = time
    if (run === undefined) return realTimeout(delayMs, value, options)
    return new Promise((resolve, reject) => {
      const { signal } = options ?? {}
      const cancel = run.after(delayMs, () => resolve(value))
      const abort = (): void => {
        cancel()
        reject(new DOMException('The operation was aborted', 'AbortError'))
      }
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  }
  Object.assign(timers, {
    setTimeout: sleep,
    setImmediate: <T>(value: T) => (time === undefined ? realImmediate(value) : sleep(0, value)),
  })
  const realNow = performance.now.bind(performance)
  Object.defineProperty(performance, 'now', {
    configurable: true,
    value: () => (time === undefined ? realNow() : time.nowMs()),
  })
}

replaceZlib()
replaceTimers()
syncBuiltinESMExports()
