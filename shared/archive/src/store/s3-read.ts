import { AppError } from '@muniment/schema'
import { failure, fullKey, isMissing, nameOf, pause, statusOf, type Bucket } from './s3-bucket.ts'
import type { GetOptions, ListOptions, ObjectInfo, ObjectLock } from './store.ts'

const bodyRetries = 2

interface Page {
  readonly entries: readonly ObjectInfo[]
  readonly next: { readonly KeyMarker: string; readonly VersionIdMarker?: string } | undefined
}

interface Named {
  readonly Key?: string | undefined
  readonly VersionId?: string | undefined
  readonly Size?: number | undefined
}

async function listPage(bucket: Bucket, prefix: string, marker: object): Promise<Page> {
  const { config, sdk, client } = bucket
  const Prefix = fullKey(bucket, prefix)
  const command = new sdk.ListObjectVersionsCommand({ Bucket: config.bucket, Prefix, ...marker })
  const page = await client.send(command).catch((error: unknown) => {
    throw failure('list', prefix, error)
  })
  const info = (named: Named, isDeleteMarker: boolean): ObjectInfo => ({
    key: (named.Key ?? '').slice((config.prefix ?? '').length),
    version: named.VersionId ?? 'null',
    sizeBytes: named.Size ?? 0,
    isDeleteMarker,
  })
  const versions = (page.Versions ?? []).map(named => info(named, false))
  const markers = (page.DeleteMarkers ?? []).map(named => info(named, true))
  const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page
  const hasMore = page.IsTruncated === true && KeyMarker !== undefined
  const at = VersionIdMarker === undefined ? {} : { VersionIdMarker }
  return { entries: [...versions, ...markers], next: hasMore ? { KeyMarker, ...at } : undefined }
}

function byKey(a: string, b: string): number {
  if (a === b) return 0
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** Stores answer newest first, delete markers apart: order by key, oldest first, markers last. */
function inOrder(entries: readonly ObjectInfo[]): readonly ObjectInfo[] {
  return entries
    .toReversed()
    .toSorted((a, b) => byKey(a.key, b.key) || Number(a.isDeleteMarker) - Number(b.isDeleteMarker))
}

/** Versions by key, the oldest first, delete markers last. */
export async function* list(
  bucket: Bucket,
  prefix: string,
  options: ListOptions,
): AsyncGenerator<ObjectInfo> {
  const { after, signal } = options
  let marker: Page['next'] | object = after === undefined ? {} : { KeyMarker: fullKey(bucket, after) }
  let held: readonly ObjectInfo[] = []
  for (;;) {
    if (signal?.aborted === true) return
    const page = await listPage(bucket, prefix, marker)
    const known = [...held, ...page.entries].filter(({ key }) => after === undefined || key > after)
    // The last key of a page may go on in the next one.
    const lastKey = page.next?.KeyMarker.slice((bucket.config.prefix ?? '').length)
    held = known.filter(({ key }) => key === lastKey)
    yield* inOrder(known.filter(({ key }) => key !== lastKey))
    if (page.next === undefined) return
    marker = page.next
  }
}

/** Whether `key` has no version at all, not even one that a delete marker hides. */
async function isAbsent({ sdk, client, config }: Bucket, key: string): Promise<boolean> {
  try {
    await client.send(new sdk.HeadObjectCommand({ Bucket: config.bucket, Key: key }))
    return false
  } catch (error) {
    return isMissing(error, undefined) && !isHidden(error)
  }
}

function isHidden(error: unknown): boolean {
  if (!(error instanceof Error) || !('$response' in error)) return false
  const reply: unknown = error.$response
  if (typeof reply !== 'object' || reply === null || !('headers' in reply)) return false
  const { headers } = reply
  return typeof headers === 'object' && headers !== null && 'x-amz-delete-marker' in headers
}

/** The oldest version of `key` that is not a delete marker; a missing key costs one cheap request. */
async function firstVersion(bucket: Bucket, key: string, signal?: AbortSignal): Promise<string | undefined> {
  if (await isAbsent(bucket, fullKey(bucket, key))) return undefined
  for await (const info of list(bucket, key, signal === undefined ? {} : { signal })) {
    if (info.key === key && !info.isDeleteMarker) return info.version
    if (byKey(info.key, key) > 0) return undefined
  }
  return undefined
}

async function download(bucket: Bucket, key: string, options: GetOptions): Promise<Buffer | undefined> {
  const { config, sdk, client } = bucket
  const { range, version, signal } = options
  const command = new sdk.GetObjectCommand({
    Bucket: config.bucket,
    Key: fullKey(bucket, key),
    ...(version === undefined ? {} : { VersionId: version }),
    ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
  })
  const reply = await client.send(command, signal === undefined ? {} : { abortSignal: signal })
  if (range !== undefined && reply.ContentRange?.startsWith(`bytes ${range.start}-`) !== true) {
    throw new AppError('STORE_REFUSED', `the store ignored the range asked of ${key}`)
  }
  return Buffer.from((await reply.Body?.transformToByteArray()) ?? [])
}

/** What a failed download means: bytes, nothing, or `retry` where the reply's body broke off. */
function afterFailure(error: unknown, key: string, version: string): Buffer | 'missing' | 'retry' {
  if (error instanceof AppError) throw error
  if (isMissing(error, version)) return 'missing'
  const status = statusOf(error)
  if (status === 416) return Buffer.alloc(0)
  if (status === undefined && nameOf(error) !== 'AbortError') return 'retry'
  throw failure('read', key, error)
}

/** The client retries up to the reply's first byte; a body that breaks off is asked for again here. */
export async function get(bucket: Bucket, key: string, options: GetOptions): Promise<Buffer | undefined> {
  const { range, signal } = options
  if (range !== undefined && range.end <= range.start) return Buffer.alloc(0)
  const version = options.version ?? (await firstVersion(bucket, key, signal))
  if (version === undefined) return undefined
  for (let attempt = 0; ; attempt++) {
    try {
      return await download(bucket, key, { ...options, version })
    } catch (error) {
      const answer = afterFailure(error, key, version)
      if (answer === 'missing') return undefined
      if (answer !== 'retry') return answer
      if (attempt >= bodyRetries) throw failure('read', key, error)
      await pause(attempt)
    }
  }
}

function lockOf(mode: string | undefined, until: Date | undefined): ObjectLock | 'none' {
  if (until === undefined) return 'none'
  return mode === 'COMPLIANCE' || mode === 'GOVERNANCE' ? { mode, untilMs: until.getTime() } : 'none'
}

/** Size and lock of one version, the first where none is named. */
export async function head(bucket: Bucket, key: string, asked?: string): Promise<ObjectInfo | undefined> {
  const { config, sdk, client } = bucket
  const version = asked ?? (await firstVersion(bucket, key))
  if (version === undefined) return undefined
  const Key = fullKey(bucket, key)
  try {
    const command = new sdk.HeadObjectCommand({ Bucket: config.bucket, Key, VersionId: version })
    const reply = await client.send(command)
    return {
      key,
      version,
      sizeBytes: reply.ContentLength ?? 0,
      isDeleteMarker: false,
      lock: lockOf(reply.ObjectLockMode, reply.ObjectLockRetainUntilDate),
    }
  } catch (error) {
    if (isMissing(error, version)) return undefined
    throw failure('read', key, error)
  }
}
