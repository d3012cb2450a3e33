import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Decrypted Parquet files, readable by this process alone. */
export interface PrivateFiles extends Disposable {
  /** What DuckDB must be allowed to read. */
  readonly folder: string
  readonly append: (file: number, bytes: Uint8Array) => void
  readonly path: (file: number) => string
  readonly read: (file: number) => Buffer
}

const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL

interface OpenFile {
  readonly descriptor: number
  readonly path: string
}

/** On Linux in memory and without a name, so that nothing is left after a crash; elsewhere in a folder of our own, removed at the end. */
export function openPrivateFiles(): PrivateFiles {
  const isLinux = process.platform === 'linux'
  const folder = isLinux ? '/proc/self/fd' : mkdtempSync(join(tmpdir(), 'muniment-query-'))
  const files = new Map<number, OpenFile>()
  const create = (file: number): OpenFile => {
    const name = isLinux
      ? `/dev/shm/muniment-${process.pid}-${crypto.randomUUID()}`
      : join(folder, `${file}.parquet`)
    const descriptor = openSync(name, flags, 0o600)
    if (isLinux) unlinkSync(name)
    const opened = { descriptor, path: isLinux ? `${folder}/${descriptor}` : name }
    files.set(file, opened)
    return opened
  }
  return {
    folder: `${folder}/`,
    append(file, bytes) {
      const { descriptor } = files.get(file) ?? create(file)
      for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at)
    },
    path: file => files.get(file)?.path ?? '',
    read(file) {
      const descriptor = files.get(file)?.descriptor
      if (descriptor === undefined) return Buffer.alloc(0)
      const bytes = Buffer.alloc(fstatSync(descriptor).size)
      for (let at = 0; at < bytes.length;) at += readSync(descriptor, bytes, at, bytes.length - at, at)
      return bytes
    },
    [Symbol.dispose]() {
      for (const { descriptor } of files.values()) closeSync(descriptor)
      if (!isLinux) rmSync(folder, { recursive: true, force: true })
    },
  }
}
