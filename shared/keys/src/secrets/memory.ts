import { AppError } from '@muniment/schema'
import type { StoredName, SecretStore } from './secrets.ts'

/** Secrets that end with the process, for tests and one-off runs. */
export function openMemorySecrets(): SecretStore {
  const texts = new Map<StoredName, string>()
  const held = (name: StoredName): string => {
    const text = texts.get(name)
    if (text === undefined) throw new AppError('SECRET_MISSING', `There is no secret ${name}.`)
    return text
  }
  return {
    createsOnUse: true,
    read: async name => await Promise.resolve().then(() => held(name)),
    async create(name, text) {
      if (texts.has(name)) return await Promise.resolve(false)
      texts.set(name, text)
      return true
    },
    async replace(name, { text, expected }) {
      await Promise.resolve()
      if (held(name) !== expected) return false
      texts.set(name, text)
      return true
    },
    async [Symbol.asyncDispose]() {
      await Promise.resolve(texts.clear())
    },
  }
}
