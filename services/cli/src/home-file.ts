import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '@muniment/runtime'

let drafts = 0

async function isWritten(file: string, text: string): Promise<boolean> {
  try {
    return (await readFile(file, 'utf8')) === text
  } catch {
    return false
  }
}

/** Where interceptors of this machine look for what concerns all of them. */
export function homeFile({ home }: Pick<Config, 'home'>, name: string): string {
  return join(home, name)
}

/** Writes a file of the home folder, which readers see old or new and never in part; does nothing where it says so already. */
export async function writeHomeFile(config: Pick<Config, 'home'>, name: string, text: string): Promise<void> {
  const file = homeFile(config, name)
  if (await isWritten(file, text)) return
  await mkdir(config.home, { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}.${drafts++}`
  await writeFile(draft, text, { mode: 0o644 })
  await rename(draft, file)
}
