// A store of keys whose clock tests move, and other processes that share it.
import { randomBytes } from 'node:crypto'
import { isAppError } from '@muniment/schema'
import { openState, type StateStore } from '@muniment/state'
import { openKeys, openSecrets, type Keys, type SecretStore } from '../src/index.ts'

export const cacheTtlMs = 60_000

export interface World {
  /** What administers. */
  readonly keys: Keys
  readonly secrets: SecretStore
  readonly state: StateStore
  /** Another process, with a cache of its own. */
  readonly another: () => Keys
  readonly pass: (ms: number) => void
}

export async function world(): Promise<World> {
  let nowMs = Date.UTC(2026, 0, 1)
  const secrets = await openSecrets({ kind: 'memory' })
  const state = await openState({ kind: 'memory' })
  const another = (): Keys =>
    openKeys({ secrets, state, now: () => nowMs, randomBytes, cacheTtlMs, logName: 'example.com/audit' })
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { keys: another(), secrets, state, another, pass }
}

/** The code with which something was refused. */
export async function codeOf(action: Promise<unknown>): Promise<string> {
  return await action.then(
    () => 'no error',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  )
}
