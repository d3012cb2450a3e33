import { readFile } from 'node:fs/promises'
import type { Keys } from '@muniment/keys'
import type { Config } from '@muniment/runtime'
import { isAppError } from '@muniment/schema'
import { openKeysOf } from './context.ts'
import { homeFile, writeHomeFile } from './home-file.ts'

/** Names that interceptors know, too. */
const [ingestFile, controlFile] = ['ingest.pub', 'control.pub']

/** Puts the current public key where interceptors of this machine look for it, and returns it. */
export async function publishIngestKey(config: Config): Promise<string> {
  await using context = await openKeysOf(config)
  const key = await context.keys.ingestPublicKey()
  await writeHomeFile(config, ingestFile, `${key}\n`)
  return key
}

/** Puts the public keys that sign control decisions where guards of this machine look for them, and returns them. */
export async function writeControlKeys(config: Config, keys: Keys): Promise<readonly string[]> {
  const publicKeys = await keys.controlPublicKeys()
  await writeHomeFile(config, controlFile, publicKeys.map(key => `${key}\n`).join(''))
  return publicKeys
}

/** The same for who has no keys open. */
export async function publishControlKeys(config: Config): Promise<readonly string[]> {
  await using context = await openKeysOf(config)
  return await writeControlKeys(config, context.keys)
}

/** Makes sure that an interceptor can seal before anything else ran on this machine; leaves a key that was given alone. */
export async function ensureIngestKey(config: Config): Promise<void> {
  if (config.interceptor.ingestKey !== undefined) return
  await ensure(config, ingestFile, publishIngestKey)
}

/** The same for a guard, which can verify nothing before. */
export async function ensureControlKeys(config: Config): Promise<void> {
  if (config.interceptor.controlKey !== undefined) return
  await ensure(config, controlFile, publishControlKeys)
}

async function ensure(
  config: Config,
  name: string,
  publish: (config: Config) => Promise<unknown>,
): Promise<void> {
  if (config.bus.kind !== 'embedded' || (await isPresent(homeFile(config, name)))) return
  try {
    await publish(config)
  } catch (error) {
    // The observed command must start all the same; its interceptor says what it waits for.
    if (!isAppError(error)) throw error
  }
}

async function isPresent(file: string): Promise<boolean> {
  try {
    return (await readFile(file)).length > 0
  } catch {
    return false
  }
}
