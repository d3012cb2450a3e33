import { randomUUID } from 'node:crypto'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@muniment/schema'
import { openLock } from '@muniment/state'
import type { SecretChange, StoredName, SecretStore } from './secrets.ts'

const maxBytes = 256 * 1024
const foreignBits = 0o077

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}

function failure(name: StoredName, path: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = codeOf(error)
  if (code === 'ENOENT')
    return new AppError('SECRET_MISSING', `The secret ${name} is missing: there is no file ${path}.`, {
      cause: error,
    })
  return new AppError('SECRET_DENIED', `The secret ${name} cannot be read: ${path} (${code}).`, {
    hint: 'Let the user of this process, and nobody else, read and write the folder and its files.',
    cause: error,
  })
}

/** On Windows modes say nothing about who may read a file, so there they are not looked at. */
function checkMode(name: StoredName, path: string, mode: number): void {
  if (process.platform === 'win32' || (mode & foreignBits) === 0) return
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  throw new AppError('SECRET_DENIED', `The secret ${name} is open to others: ${path} has mode ${shown}.`, {
    hint: `Run \`chmod 600 ${path}\`, and consider the secret known to everybody who could read it.`,
  })
}

async function readSecret(name: StoredName, path: string): Promise<string> {
  await using handle = await open(path, 'r')
  const { mode, size } = await handle.stat()
  checkMode(name, path, mode)
  if (size > maxBytes)
    throw new AppError('SECRET_MALFORMED', `The secret ${name} has ${size} bytes; the limit is ${maxBytes}.`)
  return await handle.readFile('utf8')
}

async function syncFolder(dir: string): Promise<void> {
  if (process.platform === 'win32') return
  await using handle = await open(dir, 'r')
  await handle.sync()
}

/** Writes a durable draft and hands it to `place`; its name is gone afterwards. */
async function withDraft<T>(path: string, text: string, place: (draft: string) => Promise<T>): Promise<T> {
  const draft = `${path}.${randomUUID()}.new`
  try {
    {
      await using handle = await open(draft, 'wx', 0o600)
      await handle.writeFile(text)
      await handle.sync()
    }
    return await place(draft)
  } finally {
    await rm(draft, { force: true })
  }
}

/** A link appears whole or not at all, and only where there was nothing, so that of two creators one wins. */
async function createSecret(dir: string, path: string, text: string): Promise<boolean> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  try {
    await withDraft(path, text, async draft => await link(draft, path))
    await syncFolder(dir)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

interface Replacement extends SecretChange {
  readonly dir: string
  readonly path: string
  readonly name: StoredName
}

/** Comparing and renaming are two steps, so both are done under a lock that ends with its holder. */
async function replaceSecret({ dir, path, name, text, expected }: Replacement): Promise<boolean> {
  using lock = openLock(join(dir, '.lock'))
  return await lock.hold(async () => {
    if ((await readSecret(name, path)) !== expected) return false
    await withDraft(path, text, async draft => await rename(draft, path))
    await syncFolder(dir)
    return true
  })
}

/** Secrets as one file each, mode 0600, in a folder of mode 0700; files that others may read are refused. */
export function openFileSecrets(dir: string): SecretStore {
  const pathOf = (name: StoredName): string => join(dir, `${name}.json`)
  return {
    createsOnUse: true,
    async read(name) {
      try {
        return await readSecret(name, pathOf(name))
      } catch (error) {
        throw failure(name, pathOf(name), error)
      }
    },
    async create(name, text) {
      try {
        return await createSecret(dir, pathOf(name), text)
      } catch (error) {
        throw failure(name, pathOf(name), error)
      }
    },
    async replace(name, change) {
      const path = pathOf(name)
      try {
        return await replaceSecret({ ...change, dir, path, name })
      } catch (error) {
        throw failure(name, path, error)
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.resolve()
    },
  }
}
