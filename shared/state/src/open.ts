import { limited } from './limits.ts'
import { openMemoryState } from './memory.ts'
import type { StateStore } from './state.ts'

/** Which state to open. */
export type StateConfig = { readonly kind: 'memory' } | { readonly kind: 'file'; readonly dir: string }

async function openAdapter(config: StateConfig): Promise<StateStore> {
  if (config.kind === 'memory') return openMemoryState()
  const { openFileState } = await import('./file.ts')
  return await openFileState(config.dir)
}

/** Opens the state that `config` names. Throws `DISK_UNUSABLE` where a folder cannot be used. */
export async function openState(config: StateConfig): Promise<StateStore> {
  return limited(await openAdapter(config))
}
