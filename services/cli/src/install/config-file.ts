import { isUtf8 } from 'node:buffer'
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { AppError } from '@muniment/schema'
import { invalid, type Source } from './document.ts'

/** A client's configuration as it lies on the disk. */
export interface ConfigFile extends Source {
  /** Where it truly is: links that dotfile managers make stay links. */
  readonly path: string
  readonly bytes: Buffer
  readonly mode: number
  readonly mark: string
}

const maxBytes = 16 * 1024 * 1024
const maxBackups = 1000
const byteOrderMark = '\u{FEFF}'

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** Reads a configuration. Throws `CONFIG_INVALID` where it cannot be read. */
export async function readConfigFile(file: string): Promise<ConfigFile> {
  const at = { file, text: '' }
  try {
    const path = await realpath(file)
    const found = await stat(path)
    if (!found.isFile() || found.size > maxBytes)
      throw invalid(at, `is no file of at most ${maxBytes} bytes.`)
    const bytes = await readFile(path)
    if (!isUtf8(bytes)) throw invalid(at, 'is not text in UTF-8.')
    const text = bytes.toString()
    const mark = text.startsWith(byteOrderMark) ? byteOrderMark : ''
    return { file, path, bytes, text: text.slice(mark.length), mode: found.mode & 0o777, mark }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw invalid(at, `cannot be read: ${codeOf(error)}.`)
  }
}

/** Copies what is there to the first free name beside it, for its owner's eyes only. */
async function backUp({ path, bytes }: ConfigFile): Promise<string> {
  for (let number = 1; number <= maxBackups; number++) {
    const backup = `${path}.before-muniment-${number}`
    try {
      await writeFile(backup, bytes, { mode: 0o600, flag: 'wx' })
      return backup
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
  throw new AppError('LIMIT_EXCEEDED', `${path} has ${maxBackups} backups beside it; remove some.`)
}

/** Replaces the file, which readers see old or new and never in part, and answers where its backup is. Throws where it changed since it was read. */
export async function replaceConfigFile(config: ConfigFile, text: string): Promise<string> {
  const { path, bytes, mode, mark } = config
  if (!(await readFile(path)).equals(bytes))
    throw invalid(config, 'changed in the meantime.', 'Nothing was written. Run the command again.')
  const backup = await backUp(config)
  const draft = `${path}.${process.pid}.draft`
  try {
    await writeFile(draft, mark + text, { mode: 0o600, flag: 'wx', flush: true })
    await chmod(draft, mode)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  return backup
}
