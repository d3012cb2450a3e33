import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '@muniment/schema'
import { frame, headBytes, nonceBytes, unframe, versionOf } from './frame.ts'
import { byBytes } from './limits.ts'
import { openLock, type ProcessLock } from './lock.ts'
import type { StateEntry, StateStore } from './state.ts'

// `~` is in no key: an entry and a folder of the same name, and what is ours alone, never meet.
const entrySuffix = '~'
const draftFolder = '~new'
const lockFile = '~lock'
const staleMs = 60 * 60_000

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

async function orMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}

async function onDisk<T>(path: string, action: Promise<T>): Promise<T> {
  try {
    return await action
  } catch (error) {
    if (error instanceof AppError) throw error
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    throw new AppError('DISK_UNUSABLE', `The state in ${path} cannot be used (${reason}).`, { cause: error })
  }
}

/** Makes names in a folder durable; Windows has no such call and needs none. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  await using handle = await open(path, constants.O_RDONLY)
  await handle.sync()
}

async function makeFolders(root: string, path: string): Promise<void> {
  if (path === root) return
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  // Each new folder's own name must be durable too, up to the one that was there before.
  for (let at = dirname(path); at.length >= dirname(first).length; at = dirname(at)) await syncFolder(at)
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  await using handle = await open(path, 'wx', 0o600)
  await handle.writeFile(bytes)
  await handle.sync()
}

async function currentVersion(path: string): Promise<string | undefined> {
  const handle = await orMissing(open(path, constants.O_RDONLY))
  if (handle === undefined) return undefined
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return versionOf(buffer.subarray(0, bytesRead), path)
  } finally {
    await handle.close()
  }
}

async function* walk(folder: string, prefix: string): AsyncGenerator<string> {
  for (const entry of (await orMissing(readdir(folder, { withFileTypes: true }))) ?? []) {
    if (entry.name.startsWith(entrySuffix)) continue
    if (entry.isDirectory()) yield* walk(join(folder, entry.name), `${prefix}${entry.name}/`)
    else if (entry.name.endsWith(entrySuffix)) yield `${prefix}${entry.name.slice(0, -1)}`
  }
}

/** Writers that died before the rename leave temporary files; those of living ones are young. */
async function sweep(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = await orMissing(lstat(join(folder, name)))
    if (found !== undefined && nowMs - found.mtimeMs > staleMs) await rm(join(folder, name), { force: true })
  }
}

async function read(path: string): Promise<StateEntry | undefined> {
  const bytes = await orMissing(readFile(path))
  return bytes && unframe(bytes, path)
}

async function remove(lock: ProcessLock, path: string): Promise<void> {
  await lock.hold(async () => {
    if ((await orMissing(unlink(path).then(() => true))) === true) await syncFolder(dirname(path))
  })
}

interface Change {
  readonly path: string
  readonly value: Uint8Array
  readonly expected: string | undefined
  /** Folder for drafts, on the same file system. */
  readonly drafts: string
}

/** The long part, writing, happens outside the lock; under it only the comparison and the rename. */
async function replace(lock: ProcessLock, change: Change): Promise<string | undefined> {
  const nonce = randomBytes(nonceBytes)
  const version = nonce.toString('hex')
  const draft = join(change.drafts, version)
  try {
    await writeDurably(draft, frame(nonce, change.value))
    const isDone = await lock.hold(async () => {
      if ((await currentVersion(change.path)) !== change.expected) return false
      await rename(draft, change.path)
      await syncFolder(dirname(change.path))
      return true
    })
    return isDone ? version : undefined
  } finally {
    await rm(draft, { force: true })
  }
}

/** A state in a folder of this machine, shared by any number of its processes; readable by its owner only. */
export async function openFileState(dir: string): Promise<StateStore> {
  const drafts = join(dir, draftFolder)
  await onDisk(dir, mkdir(drafts, { recursive: true, mode: 0o700 }))
  await onDisk(dir, sweep(drafts, Date.now()))
  const lock = openLock(join(dir, lockFile))
  const pathOf = (key: string): string => join(dir, `${key}${entrySuffix}`)
  return {
    get: async key => await onDisk(dir, read(pathOf(key))),
    async put(key, value, expected) {
      const path = pathOf(key)
      await onDisk(dir, makeFolders(dir, dirname(path)))
      return await onDisk(dir, replace(lock, { path, value, expected, drafts }))
    },
    async delete(key) {
      await onDisk(dir, remove(lock, pathOf(key)))
    },
    async *list(prefix) {
      const keys: string[] = []
      for await (const key of walk(dir, '')) if (key.startsWith(prefix)) keys.push(key)
      yield* keys.toSorted(byBytes)
    },
    async [Symbol.asyncDispose]() {
      lock[Symbol.dispose]()
      await Promise.resolve()
    },
  }
}
