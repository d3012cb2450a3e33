import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '@muniment/schema'
import type { Settings } from '../settings.ts'

/** Where `muniment up` puts the public control keys of this machine, one a line. */
const fileName = 'control.pub'

function linesOf(text: string): readonly string[] {
  return text.split(/[\s,]+/u).filter(line => line !== '')
}

/** The public keys that decisions may be signed with: those that were set, else those in `control.pub`; none until that is there. */
export function readControlKeys({
  home,
  controlKey,
}: Pick<Settings, 'home' | 'controlKey'>): readonly string[] {
  if (controlKey !== undefined) return linesOf(controlKey)
  try {
    return linesOf(readFileSync(join(home, fileName), 'utf8'))
  } catch {
    return []
  }
}

/** The same for those who cannot wait for the file: throws `CONFIG_INVALID` where there is no key. */
export function needControlKeys(settings: Pick<Settings, 'home' | 'controlKey'>): readonly string[] {
  const keys = readControlKeys(settings)
  if (keys.length > 0) return keys
  throw new AppError(
    'CONFIG_INVALID',
    'Decisions cannot be enforced: there is no control key to verify them with.',
    {
      hint: 'Set MUNIMENT_CONTROL_KEY to what `muniment keys control` prints.',
    },
  )
}
