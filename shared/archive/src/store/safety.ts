import { failure, nameOf, openBucket, type S3StoreConfig } from './s3-bucket.ts'

/** Why a bucket would not keep objects against those who may write to it; `undefined` where it would. */
export async function whyBucketIsUnsafe(config: S3StoreConfig): Promise<string | undefined> {
  const { sdk, client } = await openBucket(config)
  const { bucket } = config
  try {
    const { Status } = await client.send(new sdk.GetBucketVersioningCommand({ Bucket: bucket }))
    if (Status !== 'Enabled')
      return `The bucket ${bucket} is not versioned: an overwritten object would be gone.`
    const lock = await client.send(new sdk.GetObjectLockConfigurationCommand({ Bucket: bucket }))
    if (lock.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled') return undefined
    return `The bucket ${bucket} has no Object Lock: whoever may delete could delete evidence.`
  } catch (error) {
    if (nameOf(error) === 'ObjectLockConfigurationNotFoundError')
      return `The bucket ${bucket} has no Object Lock: whoever may delete could delete evidence.`
    throw failure('read the settings of', bucket, error)
  } finally {
    client.destroy()
  }
}
