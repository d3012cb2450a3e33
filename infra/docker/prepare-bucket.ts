// Makes a bucket with Object Lock where it does not exist, and fails where it exists without: the lock can only be
// given to a bucket when it is made. May run again. Server and credentials as the AWS SDK finds them.
//   node prepare-bucket.ts --bucket NAME
import { parseArgs } from 'node:util'
import { CreateBucketCommand, GetObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3'

const { values } = parseArgs({ options: { bucket: { type: 'string' } } })
const { bucket: Bucket } = values
if (Bucket === undefined) throw new Error('--bucket is missing')
const s3 = new S3Client({ forcePathStyle: true, maxAttempts: 10 })

/** Sends, and takes one refusal of the service for an answer. */
async function unless(refusal: string, sent: Promise<unknown>): Promise<boolean> {
  try {
    await sent
    return true
  } catch (error) {
    if (error instanceof Error && error.name === refusal) return false
    throw error
  }
}

const create = s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
const isNew = await unless('BucketAlreadyOwnedByYou', create)
const look = s3.send(new GetObjectLockConfigurationCommand({ Bucket }))
if (!(await unless('ObjectLockConfigurationNotFoundError', look))) {
  throw new Error(
    `bucket ${Bucket} exists without Object Lock, which it cannot be given any more: choose another`,
  )
}
process.stderr.write(`bucket ${Bucket}: ${isNew ? 'made' : 'was there'}, versions can be locked\n`)
