import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError, isAppError } from '@muniment/schema'
import { withFileLock } from './file-lock.ts'
import type { Shelf, ShelfEntry } from './shelf.ts'

const maxBytes = 16 * 1024 * 1024
const foreignBits = 0o077

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** On Windows modes say nothing about who may read a file. */
function checkMode(path: string, mode: number): void {
  if (process.platform === 'win32' || (mode & foreignBits) === 0) return
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  throw new AppError('SECRET_DENIED', `${path} is open to others: its mode is ${shown}.`, {
    hint: `Run \`chmod 600 ${path}\`, and consider what it holds known to everybody who could read it.`,
  })
}

/** The text of a file that only its owner may touch; `undefined` where there is none. */
async function readOwnFile(path: string): Promise<string | undefined> {
  try {
    await using handle = await open(path, 'r')
    const { mode, size } = await handle.stat()
    checkMode(path, mode)
    if (size > maxBytes) throw new AppError('LIMIT_EXCEEDED', `${path} has ${size} bytes.`)
    return await handle.readFile('utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    if (isAppError(error)) throw error
    throw new AppError('DISK_UNUSABLE', `${path} cannot be read.`, { cause: error })
  }
}

/** Replaces a file as a whole, readable by its owner only; a crash leaves the old one or the new one. */
async function writeOwnFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}.new`
  try {
    {
      await using handle = await open(draft, 'wx', 0o600)
      await handle.writeFile(text)
      await handle.sync()
    }
    await rename(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
}

/** A shelf that is one file of mode 0600; a file that others may read is refused. */
export function openFileShelf(path: string): Shelf {
  const read = async (): Promise<ShelfEntry | undefined> => {
    const text = await readOwnFile(path)
    return text === undefined
      ? undefined
      : { text, version: createHash('sha256').update(text).digest('base64url') }
  }
  return {
    read,
    replace: async (text, expected) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      return await withFileLock(`${path}.lock`, async () => {
        if ((await read())?.version !== expected) return false
        await writeOwnFile(path, text)
        return true
      })
    },
  }
}
