import { AppError } from '@muniment/schema'
import { createFileStore } from './fs.ts'
import { createMemoryStore } from './memory.ts'
import type { S3StoreConfig } from './s3-bucket.ts'
import { openS3Store } from './s3.ts'
import { whyBucketIsUnsafe } from './safety.ts'
import type { ArchiveStore } from './store.ts'

/** Which store to open. */
export type StoreConfig =
  | { readonly kind: 'file'; readonly directory: string }
  | ({ readonly kind: 's3' } & S3StoreConfig)
  | { readonly kind: 'memory' }

function assertPrefix(prefix = ''): void {
  if (prefix !== '' && !prefix.endsWith('/')) {
    throw new AppError('CONFIG_INVALID', `the store prefix ${prefix} must end in /`)
  }
}

/** Opens the store that `config` names; `s3` loads its client on first use. */
export async function openStore(config: StoreConfig): Promise<ArchiveStore> {
  if (config.kind === 'file') return createFileStore(config.directory)
  if (config.kind === 'memory') return createMemoryStore()
  assertPrefix(config.prefix)
  return openS3Store(config)
}

/**
 * Why a store would not keep objects against those who may write to it; `undefined` where it would. A bucket must be versioned and have
 * Object Lock. Folders and memory promise nothing of the kind and are not asked.
 */
export async function whyStoreIsUnsafe(config: StoreConfig): Promise<string | undefined> {
  return config.kind === 's3' ? whyBucketIsUnsafe(config) : undefined
}
