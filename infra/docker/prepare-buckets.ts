// Makes a bucket with Object Lock for the archive, and one without versions for the state, where they do not exist; fails
// where one exists as the other kind, because the lock can only be given to a bucket when it is made. May run again.
// Server and credentials as the AWS SDK finds them.
//   node prepare-buckets.ts --locked NAME --plain NAME
import { parseArgs } from 'node:util'
import { CreateBucketCommand, GetBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'

const s3 = new S3Client({ forcePathStyle: true, maxAttempts: 10 })

async function create(bucket: string, isLocked: boolean): Promise<'made' | 'was there'> {
  try {
    await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: isLocked }))
    return 'made'
  } catch (error) {
    if (error instanceof Error && error.name === 'BucketAlreadyOwnedByYou') return 'was there'
    throw error
  }
}

/** A lock implies versions and cannot be had later, so versions tell the two kinds apart. */
async function prepare(bucket: string, isLocked: boolean): Promise<void> {
  const outcome = await create(bucket, isLocked)
  const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket: bucket }))
  if ((Status === 'Enabled') !== isLocked) {
    const kind = isLocked ? 'without Object Lock' : 'with versions, which keep what state must forget'
    throw new Error(`bucket ${bucket} exists ${kind}: choose another`)
  }
  process.stderr.write(`bucket ${bucket}: ${outcome}\n`)
}

const { values } = parseArgs({ options: { locked: { type: 'string' }, plain: { type: 'string' } } })
const { locked, plain } = values
if (locked !== undefined) await prepare(locked, true)
if (plain !== undefined) await prepare(plain, false)
