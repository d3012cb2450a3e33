import { createHash, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@muniment/schema'
import { withFileLock } from '../file-lock.ts'
import { openFileShelf } from '../file-shelf.ts'
import { updateShelf } from '../shelf.ts'
import { openRecord, sealRecord, type ClientRecord } from './record.ts'

/** What is kept of one server, for every process that uses the same folder. */
export interface ClientStore {
  readonly read: () => Promise<ClientRecord>
  readonly update: (change: (record: ClientRecord) => ClientRecord) => Promise<void>
  /** Runs `action` while no other process refreshes tokens of this server. */
  readonly alone: <T>(action: () => Promise<T>) => Promise<T>
}

/** The 32 bytes that seal what is kept, from wherever they lie. */
export type ClientKey = () => Promise<Uint8Array>

const keyBytes = 32
const writableByOthers = 0o022

/** A file of mode 0600 beside what it seals. */
function keyFile(folder: string): ClientKey {
  const path = join(folder, 'oauth-client.key')
  const shelf = openFileShelf(path)
  return async () => {
    const fresh = randomBytes(keyBytes).toString('base64url')
    const isMine = (await shelf.read()) === undefined && (await shelf.replace(fresh, undefined))
    return Buffer.from(isMine ? fresh : ((await shelf.read())?.text ?? '').trim(), 'base64url')
  }
}

function checked(key: Uint8Array): Uint8Array {
  if (key.length === keyBytes) return key
  throw new AppError(
    'SECRET_MALFORMED',
    `The key of the kept tokens has ${key.length} bytes, not ${keyBytes}.`,
  )
}

/** Who may write the folder may put another key and other tokens there. */
async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  if (found === undefined || process.platform === 'win32' || (found.mode & writableByOthers) === 0) return
  throw new AppError('SECRET_DENIED', `Others may write to ${folder}.`, {
    hint: `Run \`chmod go-w ${folder}\`.`,
  })
}

export function openClientStore(folder: string, server: string, key = keyFile(folder)): ClientStore {
  const name = createHash('sha256').update(server).digest('base64url').slice(0, 32)
  const path = join(folder, `oauth-client-${name}.json`)
  const shelf = openFileShelf(path)
  let held: Promise<Uint8Array> | undefined
  const keyed = async (): Promise<Uint8Array> => {
    await checkFolder(folder)
    held ??= key().then(checked)
    // What cannot be read now may be readable once it was mended.
    held.catch(() => (held = undefined))
    return await held
  }
  const opened = (text: string | undefined, by: Uint8Array): ClientRecord =>
    text === undefined ? {} : openRecord(text, by, server)
  return {
    read: async () => {
      const by = await keyed()
      return opened((await shelf.read())?.text, by)
    },
    update: async change => {
      const by = await keyed()
      await updateShelf(shelf, text => sealRecord(change(opened(text, by)), by, server))
    },
    alone: async action => {
      await keyed()
      return await withFileLock(`${path}.refresh.lock`, action)
    },
  }
}
