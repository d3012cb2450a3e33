import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isMembers } from '../json.ts'
import { errorCode, ownerFile } from './names.ts'

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

/** Whether the owner may still write: only a process of this machine can be known to be gone. */
export function mayBeAlive({ pid, host }: Owner): boolean {
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}
