import { join } from 'node:path'
import { openFileShelf } from '../file-shelf.ts'
import { openStateShelf, type Shelf, type StateLike } from '../shelf.ts'

/** Where API keys are kept: what is kept of them, and apart from that when they were last used. */
export interface ApiKeyShelves {
  readonly keys: Shelf
  readonly uses: Shelf
}

/** All that guards of one installation share. */
export interface AuthShelves extends ApiKeyShelves {
  /** Up to when sessions are over; see `endAllSessions`. */
  readonly ended: Shelf
}

/** Shelves as files of the home folder of this machine. */
export function openAuthFiles(home: string): AuthShelves {
  const folder = join(home, 'auth')
  return {
    keys: openFileShelf(join(folder, 'api-keys.json')),
    uses: openFileShelf(join(folder, 'api-key-uses.json')),
    ended: openFileShelf(join(folder, 'sessions-ended')),
  }
}

/** Shelves in the state, for installations of several machines. */
export function openAuthState(state: StateLike): AuthShelves {
  return {
    keys: openStateShelf(state, 'auth/api-keys'),
    uses: openStateShelf(state, 'auth/api-key-uses'),
    ended: openStateShelf(state, 'auth/sessions-ended'),
  }
}
