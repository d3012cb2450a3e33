import { realpath, stat } from 'node:fs/promises'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '@muniment/schema'

/** Where files may lie, and how large they may be. */
export interface PathOptions {
  /** Folders; what a path leads to, links followed, must lie in one. Relative paths count from the first. */
  readonly roots: readonly string[]
  /** Names of arguments that are paths; default those whose last word is path, file, filename, dir, directory or folder. */
  readonly parameters?: readonly string[]
  /** Of a file that is there; default 10 MiB. */
  readonly maxFileBytes?: number
}

const defaultMaxFileBytes = 10 * 1024 * 1024
const pathWord = /(?:^|[^a-z])(?:path|paths|file|files|filename|filepath|dir|directory|folder)$/u

/** Whether an argument of this name is a path. */
export function isPathName(name: string, { parameters }: PathOptions): boolean {
  if (parameters !== undefined) return parameters.includes(name)
  return pathWord.test(name.replaceAll(/([a-z\d])([A-Z])/gu, '$1 $2').toLowerCase())
}

const readingsAtMost = 4

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replaceAll(/%([0-9a-f]{2})/giu, (_, hex: string) =>
      String.fromCodePoint(Number.parseInt(hex, 16)),
    )
  }
}

/** A path as whoever opens it might read it: as it stands, decoded, decoded again, with look-alikes for what they look like. */
function readingsOf(text: string): ReadonlySet<string> {
  const readings = new Set<string>()
  for (let one = text; readings.size < readingsAtMost && !readings.has(one); one = decoded(one))
    readings.add(one)
  for (const one of readings) readings.add(one.normalize('NFKC').replaceAll(/[∕⁄╱⧸]/gu, '/'))
  return readings
}

/** Forms that leave a folder behind whatever stands in front of them: other hosts, drives, devices, homes, and what ends a string early. */
const foreign = /\p{Cc}|^\s*(?:~|[a-z]:|\\\\|\/\/|[a-z][a-z\d+.-]+:)|\\/iu

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

/** Where a path leads, links followed; what is not there yet is where its nearest folder leads. */
async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path) throw error
    return resolve(await realOf(parent), relative(parent, path))
  }
}

interface Roots {
  readonly maxFileBytes: number
  /** As given and as they are. */
  readonly named: readonly string[]
}

async function isTooLarge(path: string, { maxFileBytes }: Roots): Promise<boolean> {
  try {
    const found = await stat(path)
    return found.isFile() && found.size > maxFileBytes
  } catch {
    return false
  }
}

async function readingFault(reading: string, roots: Roots): Promise<string | undefined> {
  if (foreign.test(reading)) return 'path_form'
  const [first = '/'] = roots.named
  const path = resolve(first, reading)
  const real = await Promise.all(roots.named.map(realOf))
  if (![...roots.named, ...real].some(root => isInside(root, path))) return 'path_outside'
  const target = await realOf(path)
  if (!real.some(root => isInside(root, target))) return 'path_outside'
  return (await isTooLarge(target, roots)) ? 'file_too_large' : undefined
}

/** What is wrong with a path, in one word. */
export type PathCheck = (text: string) => Promise<string | undefined>

/** Checks paths against roots. Throws `CONFIG_INVALID` where there is none or one is not absolute. */
export function createPathCheck({ roots, maxFileBytes = defaultMaxFileBytes }: PathOptions): PathCheck {
  if (roots.length === 0 || !roots.every(root => isAbsolute(root)))
    throw new AppError('CONFIG_INVALID', 'Allowed folders must be absolute paths, one at least.')
  const named = roots.map(root => resolve(root))
  return async text => {
    for (const reading of readingsOf(text)) {
      try {
        const fault = await readingFault(reading, { named, maxFileBytes })
        if (fault !== undefined) return fault
      } catch {
        // A loop of links, a folder that may not be read, a file in the place of a folder.
        return 'path_unreadable'
      }
    }
    return undefined
  }
}

/** The path of a `file:` URI; `undefined` for one of another host or none that can be read. */
export function pathOfFile(uri: string): string | undefined {
  try {
    return fileURLToPath(uri)
  } catch {
    return undefined
  }
}
