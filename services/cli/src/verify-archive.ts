import { readFile } from 'node:fs/promises'
import { verifyArchive, type VerifyOptions, type VerifyReport } from '@muniment/archive'
import type { Keys } from '@muniment/keys'
import type { Config } from '@muniment/runtime'
import { AppError, isAppError } from '@muniment/schema'
import { openStoreOf } from './context.ts'

/** What to verify with. */
export interface VerifyWith extends Pick<
  VerifyOptions,
  'onProgress' | 'signal' | 'remembered' | 'memory' | 'onMemory' | 'withLocks'
> {
  /** Without keys, hashes, chains and the log are checked, contents are not. */
  readonly keys?: Keys | undefined
  /** Public key of the log from a source that is trusted; default that of the secret at hand. */
  readonly logKey?: string | undefined
  /** File with a policy for the log's witnesses; default that of the configuration. */
  readonly policyFile?: string | undefined
}

/** Verifier keys of the log from the secret at hand, if it may be read. */
export async function logKeysOf(keys: Keys | undefined): Promise<readonly string[]> {
  try {
    return (await keys?.logVerifierKeys()) ?? []
  } catch (error) {
    if (isAppError(error)) return []
    throw error
  }
}

/** The text of a witness policy; `undefined` where no file is named. Throws `CONFIG_INVALID` where it cannot be read. */
export async function readPolicy(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `The witness policy ${file} cannot be read.`, { cause })
  }
}

/** Verifies the archive that a configuration names. */
export async function verifyArchiveOf(config: Config, options: VerifyWith): Promise<VerifyReport> {
  const { keys, logKey, policyFile = config.witness.policyFile, ...rest } = options
  const policy = await readPolicy(policyFile)
  const verifierKey = logKey === undefined ? await logKeysOf(keys) : [logKey]
  return verifyArchive({
    ...rest,
    store: await openStoreOf(config),
    ...(keys && { keys: keys.segmentKeys }),
    ...(verifierKey.length > 0 && { verifierKey }),
    ...(policy !== undefined && { policy }),
  })
}
