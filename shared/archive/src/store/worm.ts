import { createHash, randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import {
  failure,
  isMissing,
  nameOf,
  openBucket,
  statusOf,
  type Bucket,
  type S3StoreConfig,
} from './s3-bucket.ts'
import { checks } from './worm-checks.ts'
import type { Answer, Probe } from './worm-probe.ts'

/** What one check found about a bucket. */
export interface WormFinding {
  readonly id: string
  /** What the store must, or should, do. */
  readonly promise: string
  /** A store that fails one of these cannot hold evidence. */
  readonly isMust: boolean
  readonly isFine: boolean
  /** What happened instead, or an answer that differs from AWS's though its effect is right. */
  readonly note?: string
}

/** Long enough for all checks on a slow store, short enough to wait for. */
const lockMs = 20_000
const serverFault = 500
const checkFolder = 'muniment-worm-check/'
/** What earlier checks left, because they were killed before its locks had ended. */
const abandonedMs = 3_600_000

async function attempt(send: () => Promise<object>): Promise<Answer> {
  try {
    const output = await send()
    const version =
      'VersionId' in output && typeof output.VersionId === 'string' ? output.VersionId : undefined
    return { isOk: true, name: '', status: 200, version }
  } catch (error) {
    const status = statusOf(error)
    if (status === undefined || status >= serverFault) throw failure('check', 'the bucket', error)
    return { isOk: false, name: nameOf(error), status, version: undefined }
  }
}

async function readVersion(
  { sdk, client, config }: Bucket,
  Key: string,
  VersionId?: string,
): Promise<string | undefined> {
  try {
    const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: config.bucket, Key, VersionId }))
    return await Body?.transformToString()
  } catch (error) {
    // An outage must not look like an object that is gone.
    if (isMissing(error, VersionId)) return undefined
    throw failure('read', Key, error)
  }
}

async function versionsOf({ sdk, client, config }: Bucket, Prefix: string): Promise<readonly string[]> {
  const page = await client.send(new sdk.ListObjectVersionsCommand({ Bucket: config.bucket, Prefix }))
  return (page.Versions ?? []).flatMap(({ VersionId }) => VersionId ?? [])
}

function openProbe(bucket: Bucket): Probe {
  const { sdk, client, config } = bucket
  // Beside the archive, so that its verification does not meet what is left here.
  const root = `${checkFolder}${randomUUID()}/`
  return {
    bucket,
    key: name => `${root}${name}`,
    put: async (Key, Body, more = {}) =>
      await attempt(async () => {
        const ChecksumSHA256 = createHash('sha256').update(Body).digest('base64')
        const input = { Bucket: config.bucket, Key, Body, ChecksumSHA256, ...more }
        return await client.send(new sdk.PutObjectCommand(input))
      }),
    read: async (key, version) => await readVersion(bucket, key, version),
    attempt,
    versions: async key => await versionsOf(bucket, key),
    untilDate: new Date(Math.ceil((Date.now() + lockMs) / 1000) * 1000),
  }
}

async function runChecks(probe: Probe, onProgress: (id: string) => void): Promise<readonly WormFinding[]> {
  const findings: WormFinding[] = []
  for (const { id, promise, isMust, run } of checks) {
    onProgress(id)
    const wrong = await run(probe)
    const isFine = wrong === undefined || wrong.isNoteOnly === true
    findings.push({ id, promise, isMust, isFine, ...(wrong && { note: wrong.what }) })
  }
  return findings
}

/** Removes what the checks stored, once its locks have ended; what the store keeps longer stays. */
async function cleanUp({ bucket, key, untilDate }: Probe): Promise<void> {
  const { sdk, client, config } = bucket
  // Whoever does not wait for it ends without it.
  await setTimeout(Math.max(0, untilDate.getTime() + 1000 - Date.now()), undefined, { ref: false })
  const page = await client.send(
    new sdk.ListObjectVersionsCommand({ Bucket: config.bucket, Prefix: checkFolder }),
  )
  for (const { Key = '', VersionId, LastModified } of [
    ...(page.Versions ?? []),
    ...(page.DeleteMarkers ?? []),
  ]) {
    const isAbandoned = LastModified !== undefined && Date.now() - LastModified.getTime() > abandonedMs
    if (!Key.startsWith(key('')) && !isAbandoned) continue
    await attempt(
      async () => await client.send(new sdk.DeleteObjectCommand({ Bucket: config.bucket, Key, VersionId })),
    )
  }
}

/** What the checks found, and how to be rid of what they left. */
export interface WormTrial {
  readonly findings: readonly WormFinding[]
  /** Waits until the locks of a few seconds have ended and removes what was stored; does not keep the process. */
  readonly cleanUp: () => Promise<void>
}

/**
 * Tries to break the rules that evidence depends on, with the rights of this process, and looks at the effect before the answer. Writes a few small
 * objects under `muniment-worm-check/`, locked for seconds. Throws where the bucket cannot be reached.
 */
export async function checkWorm(
  config: S3StoreConfig,
  onProgress: (id: string) => void = () => undefined,
): Promise<WormTrial> {
  const bucket = await openBucket(config)
  const probe = openProbe(bucket)
  try {
    const findings = await runChecks(probe, onProgress)
    return { findings, cleanUp: async () => await cleanUp(probe).finally(() => bucket.client.destroy()) }
  } catch (error) {
    bucket.client.destroy()
    throw error
  }
}
