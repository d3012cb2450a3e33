import { createHash } from 'node:crypto'
import { checkpointKey, type CheckpointStore } from './checkpoint-store.ts'
import {
  failure,
  fullKey,
  isMissing,
  openBucket,
  pause,
  statusOf,
  type Bucket,
  type S3StoreConfig,
} from './s3-bucket.ts'
import { get, head, list } from './s3-read.ts'
import type { ArchiveStore, NewObject, PutResult } from './store.ts'

const conflictRetries = 8

interface Upload {
  readonly object: NewObject
  readonly checksum: string
  readonly condition: { readonly IfNoneMatch?: string; readonly IfMatch?: string }
}

async function upload(bucket: Bucket, { object, checksum, condition }: Upload): Promise<string> {
  const { config, sdk, client } = bucket
  const lock =
    object.retainUntil === undefined
      ? {}
      : {
          ObjectLockMode: config.lockMode ?? 'COMPLIANCE',
          ObjectLockRetainUntilDate: object.retainUntil,
        }
  const put = new sdk.PutObjectCommand({
    Bucket: config.bucket,
    Key: fullKey(bucket, object.key),
    Body: object.bytes,
    ContentLength: object.bytes.length,
    ChecksumSHA256: checksum,
    ...lock,
    ...condition,
  })
  const { VersionId } = await client.send(put)
  return VersionId ?? 'null'
}

/** The current version of `key` if its bytes are the ones with `checksum`: our own, whose confirmation was lost. */
async function findOurs(bucket: Bucket, key: string, checksum: string): Promise<string | undefined> {
  const { config, sdk, client } = bucket
  const command = new sdk.HeadObjectCommand({
    Bucket: config.bucket,
    Key: fullKey(bucket, key),
    ChecksumMode: 'ENABLED',
  })
  try {
    const { ChecksumSHA256, VersionId } = await client.send(command)
    return ChecksumSHA256 === checksum ? (VersionId ?? 'null') : undefined
  } catch (error) {
    if (isMissing(error, undefined)) return undefined
    throw failure('read', key, error)
  }
}

/** Creates the object if the key is free; `undefined` where it is not. */
async function create(bucket: Bucket, object: NewObject, checksum: string): Promise<string | undefined> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await upload(bucket, { object, checksum, condition: { IfNoneMatch: '*' } })
    } catch (error) {
      if (statusOf(error) === 412) return undefined
      // Two conditional writes met; the store asks to try again.
      if (statusOf(error) !== 409 || attempt >= conflictRetries) throw failure('store', object.key, error)
      await pause(attempt)
    }
  }
}

async function putObject(bucket: Bucket, object: NewObject): Promise<PutResult> {
  const checksum = createHash('sha256').update(object.bytes).digest('base64')
  const version = await create(bucket, object, checksum)
  if (version !== undefined) return { kind: 'stored', version }
  const ours = await findOurs(bucket, object.key, checksum)
  if (ours !== undefined) return { kind: 'stored', version: ours }
  if (object.ifTaken === 'refuse') return { kind: 'taken' }
  try {
    return { kind: 'stored', version: await upload(bucket, { object, checksum, condition: {} }) }
  } catch (error) {
    throw failure('store', object.key, error)
  }
}

function s3Checkpoint(bucket: Bucket): CheckpointStore {
  const { config, sdk, client } = bucket
  const read: CheckpointStore['read'] = async () => {
    try {
      const command = new sdk.GetObjectCommand({ Bucket: config.bucket, Key: fullKey(bucket, checkpointKey) })
      const { Body, ETag = '' } = await client.send(command)
      return { bytes: Buffer.from((await Body?.transformToByteArray()) ?? []), tag: ETag }
    } catch (error) {
      if (isMissing(error, undefined)) return undefined
      throw failure('read', checkpointKey, error)
    }
  }
  return {
    read,
    async replace(bytes, tag) {
      const checksum = createHash('sha256').update(bytes).digest('base64')
      const condition = tag === undefined ? { IfNoneMatch: '*' } : { IfMatch: tag }
      try {
        await upload(bucket, {
          object: { key: checkpointKey, bytes, ifTaken: 'refuse' },
          checksum,
          condition,
        })
        return true
      } catch (error) {
        const status = statusOf(error)
        if (status !== 412 && status !== 409 && status !== 404) throw failure('replace', checkpointKey, error)
        // Either somebody else was faster, or our own first attempt, whose confirmation was lost.
        return (await read())?.bytes.equals(bytes) === true
      }
    },
  }
}

/**
 * Objects in a versioned bucket with Object Lock: single conditional uploads with a SHA-256 that the store checks,
 * locked until `retainUntil`, read by version.
 */
export async function openS3Store(config: S3StoreConfig): Promise<ArchiveStore> {
  const bucket = await openBucket(config)
  return {
    checkpoint: s3Checkpoint(bucket),
    put: object => putObject(bucket, object),
    get: (key, options = {}) => get(bucket, key, options),
    head: (key, version) => head(bucket, key, version),
    list: (prefix, options = {}) => list(bucket, prefix, options),
    [Symbol.asyncDispose]() {
      bucket.client.destroy()
      return Promise.resolve()
    },
  }
}
