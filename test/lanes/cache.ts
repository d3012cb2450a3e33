// Tools fetched or built once per machine, safe when several test processes ask for the same one at the same time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { cacheFolder, inherited } from './environment.ts'

export type Progress = (line: string) => void

export interface Tool {
  /** File or folder name in the cache; holds every version that matters, so that a new pin is a new name. */
  readonly name: string
  /** What a person reads while waiting. */
  readonly title: string
  /** Makes the tool at `target`, a path that does not exist yet, in a private folder. */
  readonly make: (target: string) => Promise<void>
}

/** Where the tool is once it has been installed. */
export function toolPath(name: string): string {
  return join(cacheFolder(), name)
}

/** Makes the tool unless the cache has it, and returns its path; nothing half-made is ever visible there. */
export async function install(tool: Tool, progress: Progress): Promise<string> {
  const path = toolPath(tool.name)
  if (existsSync(path)) return path
  mkdirSync(dirname(path), { recursive: true })
  const lock = await takeLock(`${path}.lock`)
  try {
    // Another process may have made it while we waited.
    if (!existsSync(path)) await make(tool, progress)
  } finally {
    lock.close()
  }
  return path
}

async function make(tool: Tool, progress: Progress): Promise<void> {
  progress(`${tool.title} …`)
  const begin = performance.now()
  const scratch = mkdtempSync(join(cacheFolder(), 'making-'))
  try {
    await tool.make(join(scratch, tool.name))
    renameSync(join(scratch, tool.name), toolPath(tool.name))
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 10 })
  }
  progress(`${tool.title}: done in ${((performance.now() - begin) / 1000).toFixed(1)} s`)
}

// A SQLite lock rather than a lock file: the kernel frees it when its holder is killed, so none is ever stale.
async function takeLock(file: string): Promise<DatabaseSync> {
  const database = new DatabaseSync(file, { timeout: 0 })
  while (!tryLock(database)) await sleep(250)
  return database
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked')) return false
    throw error
  }
}

/**
 * Runs a program to its end and returns the last 4,000 characters of its standard output; throws with the last of what
 * it printed when it fails.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(command, args, { env: inherited(env), stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let tail = ''
  child.stdout.on('data', (chunk: Buffer) => {
    printed = (printed + chunk.toString('utf8')).slice(-4000)
  })
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('utf8')).slice(-4000)
    })
  const [status] = await once(child, 'close')
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${tail}`)
  return printed
}
