import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createControlVerifier, openSnapshot, type ControlSnapshot } from '@muniment/keys/control'
import { repeat, type Clock } from '../clock.ts'
import type { Arriving } from '../guard/guard.ts'
import type { Settings } from '../settings.ts'
import { problem, problemOf } from '../problem.ts'
import { readControlKeys } from './keys.ts'

/** How often the file is looked at where calls wait for what it says: a tenth of what a decision may take, at the price of one `stat`. */
const lookEveryMs = 50
const maxBytes = 64 * 1024 * 1024

/** Where `muniment up` and `muniment block` put what is in force on this machine. */
const fileName = 'control.json'

/** Who is told, and how soon. */
export interface FileListener {
  readonly listen: (arriving: Arriving) => void
  readonly everyMs?: number
}

interface Follower {
  readonly settings: Settings
  readonly file: string
  readonly listen: (arriving: Arriving) => void
  /** What the file looked like when it was read last. */
  seen: string
  takenMs: number
}

function appearance(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino}/${stat.mtimeMs}/${stat.size}`
}

function read({ file, settings }: Follower): ControlSnapshot | undefined {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxBytes) return undefined
  return openSnapshot(createControlVerifier(readControlKeys(settings)), readFileSync(file, 'utf8'))
}

function take(follower: Follower): void {
  const { file, settings, listen } = follower
  const snapshot = read(follower)
  if (snapshot === undefined) {
    const what = `${file} was not signed with a control key of this installation; what was in force before stays in force.`
    return settings.onProblem(problem('ACCESS_DENIED', what, 'Find out who can write there.'))
  }
  // A copy from earlier would bring lifted blocks back, or take new ones away.
  if (snapshot.takenMs < follower.takenMs) return
  follower.takenMs = snapshot.takenMs
  listen({ decisions: snapshot.decisions, refused: 0 })
}

function look(follower: Follower): void {
  try {
    const seen = appearance(follower.file)
    if (seen === follower.seen) return
    follower.seen = seen
    if (seen !== '') take(follower)
  } catch (error) {
    follower.settings.onProblem(problemOf(error, `${follower.file} could not be read`))
  }
}

/** Follows the signed snapshot in the home folder: at once, and then as it changes; returns how to stop. */
export function followFile(
  settings: Settings,
  clock: Clock,
  { listen, everyMs = lookEveryMs }: FileListener,
): () => void {
  const file = join(settings.home, fileName)
  const follower: Follower = { settings, file, listen, seen: '', takenMs: -Infinity }
  look(follower)
  return repeat(clock, everyMs, () => look(follower))
}
