import { join } from 'node:path'
import { openFileShelf } from '../file-shelf.ts'
import { openStateShelf, type Shelf, type StateLike } from '../shelf.ts'

/** Where API keys are kept: what is kept of them, and apart from that when they were last used. */
export interface ApiKeyShelves {
  readonly keys: Shelf
  readonly uses: Shelf
}

/** API keys as files of the home folder of this machine. */
export function openApiKeyFiles(home: string): ApiKeyShelves {
  const folder = join(home, 'auth')
  return {
    keys: openFileShelf(join(folder, 'api-keys.json')),
    uses: openFileShelf(join(folder, 'api-key-uses.json')),
  }
}

/** API keys in the state, for installations of several machines. */
export function openApiKeyState(state: StateLike): ApiKeyShelves {
  return { keys: openStateShelf(state, 'auth/api-keys'), uses: openStateShelf(state, 'auth/api-key-uses') }
}
