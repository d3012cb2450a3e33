import { readFile, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isMembers } from '../json.ts'
import { errorCode, listSegments, ownerFile } from './names.ts'

/** The process that writes a lane's folder. */
export interface Owner {
  readonly pid: number
  readonly host: string
}

export function thisProcess(): Owner {
  return { pid: process.pid, host: hostname() }
}

/** The owner of a folder; `undefined` once it has ended in order. */
export async function readOwner(folder: string): Promise<Owner | undefined> {
  try {
    const owner: unknown = JSON.parse(await readFile(join(folder, ownerFile), 'utf8'))
    if (!isMembers(owner)) return undefined
    const { pid, host } = owner
    return typeof pid === 'number' && pid > 0 && typeof host === 'string' ? { pid, host } : undefined
  } catch {
    return undefined
  }
}

/** A process of another machine or container cannot be asked; one that has not written for this long is taken for gone. */
const foreignIdleMs = 3_600_000

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}

async function idleMs(folder: string): Promise<number> {
  const newest = (await listSegments(folder)).at(-1)
  if (newest === undefined) return Infinity
  return await stat(join(folder, newest.file)).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  )
}

/** Whether nobody will write to a folder any more. A writer that was wrongly taken for gone notices and writes elsewhere. */
export async function isAbandoned(folder: string, owner: Owner | undefined): Promise<boolean> {
  if (owner === undefined) return true
  if (owner.host === hostname()) return !isRunning(owner.pid)
  return (await idleMs(folder)) > foreignIdleMs
}
