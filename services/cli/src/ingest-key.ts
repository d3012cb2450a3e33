import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '@muniment/runtime'
import { isAppError } from '@muniment/schema'
import { openKeysOf } from './context.ts'

/** Where interceptors of this machine find the key to seal to. */
function publicKeyFile({ home }: Config): string {
  return join(home, 'ingest.pub')
}

async function isWritten(file: string, text: string): Promise<boolean> {
  try {
    return (await readFile(file, 'utf8')) === text
  } catch {
    return false
  }
}

/** Puts the current public key where interceptors of this machine look for it, and returns it. */
export async function publishIngestKey(config: Config): Promise<string> {
  await using context = await openKeysOf(config)
  const key = await context.keys.ingestPublicKey()
  const file = publicKeyFile(config)
  if (await isWritten(file, `${key}\n`)) return key
  await mkdir(config.home, { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, `${key}\n`, { mode: 0o644 })
  await rename(temporary, file)
  return key
}

/** Makes sure that an interceptor can seal before anything else ran on this machine; leaves a key that was given alone. */
export async function ensureIngestKey(config: Config): Promise<void> {
  if (config.interceptor.ingestKey !== undefined || config.bus.kind !== 'embedded') return
  if (await isPresent(publicKeyFile(config))) return
  try {
    await publishIngestKey(config)
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
