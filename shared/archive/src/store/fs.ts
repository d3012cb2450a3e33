import { createHash, randomUUID } from 'node:crypto'
import { link, lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '@muniment/schema'
import { inOrder } from '../in-order.ts'
import { checkpointKey, type CheckpointStore } from './checkpoint-store.ts'
import type { ArchiveStore, GetOptions, ListOptions, NewObject, ObjectInfo, PutResult } from './store.ts'

/** Version of an object that holds its key alone; others are named by their digest. */
const firstVersion = '0'
const versionMark = '~'
/** Unfinished files stand here, on the same file system, and never in a listing. */
const partFolder = '.part'

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function refused(action: string, key: string, cause: unknown): AppError {
  const isFull = codeOf(cause) === 'ENOSPC' || codeOf(cause) === 'EDQUOT'
  const code = isFull ? 'DISK_UNUSABLE' : 'STORE_REFUSED'
  return new AppError(code, `cannot ${action} ${key}: ${codeOf(cause) ?? 'unknown error'}`, { cause })
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Creates missing folders, readable by the owner only, and makes their names durable. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at))
}

/** Writes a durable file under a name of its own and hands it to `place`; the name is gone afterwards. */
async function withPart<T>(
  directory: string,
  bytes: Uint8Array,
  place: (part: string) => Promise<T>,
): Promise<T> {
  const folder = join(directory, partFolder)
  await makeFolder(folder)
  const part = join(folder, randomUUID())
  const file = await open(part, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.chmod(0o400)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    return await place(part)
  } finally {
    await rm(part, { force: true })
  }
}

async function readRange(file: FileHandle, range: { start: number; end: number }): Promise<Buffer> {
  const { size } = await file.stat()
  const bytes = Buffer.alloc(Math.max(0, Math.min(range.end, size) - range.start))
  const { bytesRead } = await file.read(bytes, 0, bytes.length, range.start)
  return bytes.subarray(0, bytesRead)
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw refused('read', path, error)
  }
}

async function readFileRange(path: string, range: GetOptions['range']): Promise<Buffer | undefined> {
  const file = await openIfThere(path)
  if (file === undefined) return undefined
  try {
    return range === undefined ? await file.readFile() : await readRange(file, range)
  } catch (error) {
    throw refused('read', path, error)
  } finally {
    await file.close()
  }
}

/** `true` where the name was free; atomic, also between processes. */
async function claim(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Splits a file name into the key's last part and its version. */
function splitName(name: string): { readonly base: string; readonly version: string } {
  const at = name.lastIndexOf(versionMark)
  return at < 0
    ? { base: name, version: firstVersion }
    : { base: name.slice(0, at), version: name.slice(at + 1) }
}

interface Entry {
  readonly name: string
  readonly isFolder: boolean
}

/** Order of keys: a folder sorts as its name with the slash that follows it, versions after what they stand beside. */
function sortName(entry: Entry): string {
  if (entry.isFolder) return `${entry.name}/`
  const { base, version } = splitName(entry.name)
  return version === firstVersion ? base : `${base}\u0000${version}`
}

async function entriesOf(path: string): Promise<readonly Entry[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    const named = entries.map(entry => ({ name: entry.name, isFolder: entry.isDirectory() }))
    const visible = named.filter(({ name }) => name !== partFolder)
    return visible.toSorted((a, b) => (sortName(a) < sortName(b) ? -1 : 1))
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return []
    throw refused('list', path, error)
  }
}

interface Walk {
  readonly directory: string
  readonly prefix: string
  readonly after: string
  readonly signal: AbortSignal | undefined
}

/** Whether anything below the folder `key/` can be asked for. */
function isWanted(key: string, walk: Walk): boolean {
  const inPrefix = key.startsWith(walk.prefix) || walk.prefix.startsWith(key)
  return inPrefix && (key > walk.after || walk.after.startsWith(key))
}

/** Files looked at at the same time. */
const statsAhead = 16

/** What stands at an entry of a folder, if it is wanted; a folder is walked by the caller. */
async function infoOf(walk: Walk, folder: string, entry: Entry): Promise<ObjectInfo | Entry | undefined> {
  if (entry.isFolder) return isWanted(`${folder}${entry.name}/`, walk) ? entry : undefined
  const { base, version } = splitName(entry.name)
  const key = `${folder}${base}`
  if (!key.startsWith(walk.prefix) || key <= walk.after) return undefined
  const { size } = await lstat(join(walk.directory, folder, entry.name))
  return { key, version, sizeBytes: size, isDeleteMarker: false }
}

async function* walkFolder(walk: Walk, folder: string): AsyncGenerator<ObjectInfo> {
  const entries = await entriesOf(join(walk.directory, folder))
  const look = (entry: Entry): Promise<ObjectInfo | Entry | undefined> => infoOf(walk, folder, entry)
  for await (const found of inOrder(entries, statsAhead, look)) {
    if (walk.signal?.aborted === true) return
    if (found === undefined) continue
    if ('isFolder' in found) yield* walkFolder(walk, `${folder}${found.name}/`)
    else yield found
  }
}

function pathOf(directory: string, key: string, version = firstVersion): string {
  const parts = key.split('/')
  if (key.includes(versionMark) || parts.some(part => part === '' || part === '.' || part === '..')) {
    throw new AppError('INVALID_INPUT', `not an object key: ${key}`)
  }
  return join(directory, version === firstVersion ? key : `${key}${versionMark}${version}`)
}

async function put(directory: string, object: NewObject): Promise<PutResult> {
  const { key, bytes, ifTaken } = object
  const path = pathOf(directory, key)
  return withPart(directory, bytes, async part => {
    await makeFolder(dirname(path))
    const isNew = await claim(part, path)
    const isOurs = isNew || (await readFileRange(path, undefined))?.equals(bytes) === true
    const version = isOurs ? firstVersion : sha256(bytes).slice(0, 12)
    if (!isOurs) {
      if (ifTaken === 'refuse') return { kind: 'taken' }
      await claim(part, pathOf(directory, key, version))
    }
    await syncFolder(dirname(path))
    return { kind: 'stored', version }
  })
}

/**
 * Objects as read-only files (0400) in folders (0700) of `directory`. Exclusive creation is a hard link, durability a
 * sync of file and folder. Whoever may write to the folder can still remove files: only the log and its witnesses show that.
 */
export function createFileStore(directory: string): ArchiveStore {
  return {
    checkpoint: fileCheckpoint(directory),
    async put(object) {
      try {
        return await put(directory, object)
      } catch (error) {
        throw error instanceof AppError ? error : refused('store', object.key, error)
      }
    },
    async get(key, options = {}) {
      return readFileRange(pathOf(directory, key, options.version), options.range)
    },
    async head(key, version = firstVersion) {
      try {
        const { size } = await lstat(pathOf(directory, key, version))
        return { key, version, sizeBytes: size, isDeleteMarker: false }
      } catch (error) {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
        throw error instanceof AppError ? error : refused('read', key, error)
      }
    },
    list(prefix, { after = '', signal }: ListOptions = {}) {
      return walkFolder({ directory, prefix, after, signal }, '')
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/**
 * The checkpoint as a file that is replaced whole. Comparing and replacing are two steps here: of two processes the
 * slower may put back an older head for a moment, which the log bears, because its sequence decides.
 */
function fileCheckpoint(directory: string): CheckpointStore {
  const path = join(directory, checkpointKey)
  const read = async (): Promise<{ bytes: Buffer; tag: string } | undefined> => {
    const bytes = await readFileRange(path, undefined)
    return bytes && { bytes, tag: sha256(bytes) }
  }
  return {
    read,
    async replace(bytes, tag) {
      try {
        await makeFolder(dirname(path))
        return await withPart(directory, bytes, async part => {
          if ((await read())?.tag !== tag) return false
          await rename(part, path)
          await syncFolder(dirname(path))
          return true
        })
      } catch (error) {
        throw error instanceof AppError ? error : refused('replace', checkpointKey, error)
      }
    },
  }
}
