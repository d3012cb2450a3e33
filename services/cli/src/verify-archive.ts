import { verifyArchive, type VerifyOptions, type VerifyReport } from '@muniment/archive'
import type { Keys } from '@muniment/keys'
import type { Config } from '@muniment/runtime'
import { isAppError } from '@muniment/schema'
import { openStoreOf } from './context.ts'

/** What to verify with. */
export interface VerifyWith extends Pick<VerifyOptions, 'onProgress' | 'signal'> {
  /** Without keys, hashes, chains and the log are checked, contents are not. */
  readonly keys?: Keys | undefined
  /** Public key of the log from a source that is trusted; default that of the secret at hand. */
  readonly logKey?: string | undefined
}

async function logKeysOf(keys: Keys | undefined): Promise<readonly string[]> {
  try {
    return (await keys?.logVerifierKeys()) ?? []
  } catch (error) {
    if (isAppError(error)) return []
    throw error
  }
}

/** Verifies the archive that a configuration names. */
export async function verifyArchiveOf(config: Config, options: VerifyWith): Promise<VerifyReport> {
  const { keys, logKey, ...rest } = options
  const verifierKey = logKey === undefined ? await logKeysOf(keys) : [logKey]
  return verifyArchive({
    ...rest,
    store: await openStoreOf(config),
    ...(keys && { keys: keys.segmentKeys }),
    ...(verifierKey.length > 0 && { verifierKey }),
  })
}
