import { AppError } from '@muniment/schema'
import type { StateStore } from './state.ts'

const segment = /^[A-Za-z0-9._=-]{1,200}$/u
const maxKeyLength = 512
/** Largest value in bytes. */
export const maxValueBytes = 64 * 1024 * 1024

function isKey(key: string): boolean {
  if (key.length > maxKeyLength) return false
  return key.split('/').every(part => segment.test(part) && part !== '.' && part !== '..')
}

function checkKey(key: string): void {
  if (isKey(key)) return
  throw new AppError('INVALID_INPUT', `${JSON.stringify(key.slice(0, 100))} cannot be a key of the state.`)
}

function checkValue(value: Uint8Array): void {
  if (value.length <= maxValueBytes) return
  throw new AppError(
    'LIMIT_EXCEEDED',
    `A state value has ${value.length} bytes; the limit is ${maxValueBytes}.`,
  )
}

/** Byte order; keys are ASCII, so that of the code units is the same. */
export function byBytes(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** `state` with the port's limits on keys and values held, so that no adapter has to. */
export function limited(state: StateStore): StateStore {
  return {
    async get(key) {
      checkKey(key)
      return await state.get(key)
    },
    async put(key, value, expected) {
      checkKey(key)
      checkValue(value)
      return await state.put(key, value, expected)
    },
    async delete(key) {
      checkKey(key)
      await state.delete(key)
    },
    list: prefix => state.list(prefix),
    async [Symbol.asyncDispose]() {
      await state[Symbol.asyncDispose]()
    },
  }
}
