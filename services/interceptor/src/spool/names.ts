import { readdir } from 'node:fs/promises'

/** Files of one lane's folder: `<number>.open` is being written, `<number>.seg` is complete. */
export interface SegmentName {
  readonly number: number
  readonly file: string
  readonly isOpen: boolean
}

const form = /^(\d{10})\.(open|seg)$/u

/** Who writes a lane's folder; the file is there from the first segment until the writer has ended in order. */
export const ownerFile = 'owner.json'

export function segmentFile(number: number, isOpen: boolean): string {
  return `${String(number).padStart(10, '0')}.${isOpen ? 'open' : 'seg'}`
}

/** Folder name of a lane: its name contains a slash. */
export function laneFolder(lane: string): string {
  return encodeURIComponent(lane)
}

/** The segments of a folder, oldest first; none where the folder is not there. */
export async function listSegments(folder: string): Promise<SegmentName[]> {
  const files = await readdir(folder).catch(ignoreMissing)
  return files
    .map(file => ({ file, match: form.exec(file) }))
    .flatMap(({ file, match }) =>
      match === null ? [] : [{ number: Number(match[1]), file, isOpen: match[2] === 'open' }],
    )
    .toSorted((a, b) => a.number - b.number)
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** A folder that is not there has no files. */
export function ignoreMissing(error: unknown): string[] {
  if (errorCode(error) === 'ENOENT') return []
  throw error
}
