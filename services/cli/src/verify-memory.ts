import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatMemory, parseMemory, type VerifyMemory } from '@muniment/archive'
import type { Config } from '@muniment/runtime'
import { homeFile } from './home-file.ts'

/** What an interrupted or earlier verification left in a file, and how to keep what this one finds. */
export interface MemoryFile {
  readonly memory: VerifyMemory | undefined
  /** Takes in what is known so far; writes it at most every few seconds. */
  readonly keep: (memory: VerifyMemory) => void
  /** Writes what was not written yet. */
  readonly save: () => Promise<void>
}

const keyBytes = 32
const writeEveryMs = 5000

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Made on first use, for the eyes of this account: whoever holds it can write memories that are believed. */
async function memoryKey(config: Config): Promise<KeyObject> {
  const file = homeFile(config, 'verify.key')
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  try {
    const made = randomBytes(keyBytes)
    await writeFile(file, made, { mode: 0o600, flag: 'wx' })
    return createSecretKey(made)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    return createSecretKey(await readFile(file))
  }
}

/** Opens the memory in `file`. Throws `INVALID_INPUT` where it is not one that this account wrote. */
export async function openMemoryFile(config: Config, file: string): Promise<MemoryFile> {
  const key = await memoryKey(config)
  const bytes = await readIfThere(file)
  let unsaved: VerifyMemory | undefined
  let dueMs = Date.now() + writeEveryMs
  let writing: Promise<void> = Promise.resolve()
  const write = async (): Promise<void> => {
    if (unsaved === undefined) return
    const made = formatMemory(unsaved, key)
    unsaved = undefined
    await writeFile(`${file}.part`, made, { mode: 0o600 })
    await rename(`${file}.part`, file)
  }
  const begin = (): Promise<void> => (writing = writing.then(write))
  return {
    memory: bytes && parseMemory(bytes, key),
    keep(memory) {
      unsaved = memory
      if (Date.now() < dueMs) return
      dueMs = Date.now() + writeEveryMs
      // A failure is thrown by the last save.
      begin().catch(() => undefined)
    },
    save: begin,
  }
}
