import { limited } from './limits.ts'
import { openMemoryState } from './memory.ts'
import type { S3StateConfig } from './s3.ts'
import type { StateStore } from './state.ts'

/** Which state to open. */
export type StateConfig =
  | { readonly kind: 'memory' }
  | { readonly kind: 'file'; readonly dir: string }
  | ({ readonly kind: 's3' } & S3StateConfig)

async function openAdapter(config: StateConfig): Promise<StateStore> {
  if (config.kind === 'memory') return openMemoryState()
  if (config.kind === 'file') {
    const { openFileState } = await import('./file.ts')
    return await openFileState(config.dir)
  }
  const { openS3State } = await import('./s3.ts')
  return await openS3State(config)
}

/** Opens the state that `config` names. Throws `DISK_UNUSABLE` where a folder cannot be used; a bucket is first reached by the first call. */
export async function openState(config: StateConfig): Promise<StateStore> {
  return limited(await openAdapter(config))
}
