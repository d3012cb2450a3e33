import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { AppError } from '@muniment/schema'
import { frame, headBytes, nonceBytes, unframe, versionOf } from './frame.ts'
import { awsClientOptions, type AwsReach } from './aws.ts'
import { byBytes, maxValueBytes } from './limits.ts'
import type { StateEntry, StateStore } from './state.ts'
import type { GetObjectCommandOutput, ListObjectVersionsCommandOutput, S3 } from '@aws-sdk/client-s3'

/** A bucket and how to reach it. */
export interface S3StateConfig extends AwsReach {
  readonly bucket: string
  /** Put before every key with a slash between; empty = none. */
  readonly prefix: string
}

const limits = { attempts: 4, requestTimeoutMs: 30_000 }
const conflictRetries = 5
const maxStoredBytes = maxValueBytes + headBytes

// In no key, so that no object's name is a folder of another's: some servers hide `a/b` where there is `a`.
const suffix = '!'

// By the name of the error, never by its status: servers of this protocol disagree on statuses.
const missing: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound'])
const refused: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AuthorizationHeaderMalformed',
  'CredentialsProviderError',
  'ExpiredToken',
  'Forbidden',
  'InvalidAccessKeyId',
  'NoSuchBucket',
  'PermanentRedirect',
  'SignatureDoesNotMatch',
])

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown reason'
}

function failure(error: unknown, bucket: string): AppError {
  if (error instanceof AppError) return error
  const name = nameOf(error)
  if (!refused.has(name))
    return new AppError(
      'DEPENDENCY_UNREACHABLE',
      `The state in bucket ${bucket} cannot be reached: ${name}.`,
      { cause: error },
    )
  return new AppError('STORE_REFUSED', `The state in bucket ${bucket} was refused: ${name}.`, {
    hint: 'Check the name of the bucket, and that this process may s3:GetObject, PutObject, DeleteObject, DeleteObjectVersion, ListBucket and ListBucketVersions.',
    cause: error,
  })
}

async function connect(config: S3StateConfig): Promise<S3> {
  const sdk = await import('@aws-sdk/client-s3')
  return new sdk.S3(awsClientOptions(config, limits))
}

interface Place {
  readonly s3: S3
  readonly bucket: string
}

interface Stored {
  /** With its mark and nonce. */
  readonly bytes: Uint8Array
  readonly etag: string
}

async function read({ s3, bucket }: Place, name: string): Promise<Stored | undefined> {
  let reply: GetObjectCommandOutput
  try {
    reply = await s3.getObject({ Bucket: bucket, Key: name })
  } catch (error) {
    if (missing.has(nameOf(error))) return undefined
    throw error
  }
  if ((reply.ContentLength ?? 0) > maxStoredBytes) {
    if (reply.Body instanceof Readable) reply.Body.destroy()
    throw new AppError(
      'LIMIT_EXCEEDED',
      `${name} has ${reply.ContentLength} bytes; the limit is ${maxStoredBytes}.`,
    )
  }
  const bytes = await reply.Body?.transformToByteArray()
  if (bytes === undefined || reply.ETag === undefined)
    throw new AppError('STORE_REFUSED', `${name} came without body or ETag.`)
  return { bytes, etag: reply.ETag }
}

/** After a lost reply the retry meets our own write: told by the nonce. */
async function ownVersion(place: Place, name: string, nonce: Uint8Array): Promise<string | undefined> {
  const now = await read(place, name)
  return now !== undefined && versionOf(now.bytes, name) === Buffer.from(nonce).toString('hex')
    ? now.etag
    : undefined
}

interface Change {
  readonly name: string
  readonly value: Uint8Array
  readonly expected: string | undefined
}

async function replace(place: Place, { name, value, expected }: Change): Promise<string | undefined> {
  const nonce = randomBytes(nonceBytes)
  const condition = expected === undefined ? { IfNoneMatch: '*' } : { IfMatch: expected }
  const request = { Bucket: place.bucket, Key: name, Body: frame(nonce, value), ...condition }
  for (let attempt = 1; ; attempt += 1)
    try {
      return (await place.s3.putObject(request)).ETag
    } catch (error) {
      const reason = nameOf(error)
      if (missing.has(reason)) return undefined
      if (reason === 'PreconditionFailed') return await ownVersion(place, name, nonce)
      // Another conditional write was under way; nothing was decided.
      if (reason !== 'ConditionalRequestConflict') throw error
      if (attempt > conflictRetries) return await ownVersion(place, name, nonce)
    }
}

/** Every version and delete marker of one object. */
async function* versions({ s3, bucket }: Place, name: string): AsyncGenerator<string> {
  let at: Pick<ListObjectVersionsCommandOutput, 'NextKeyMarker' | 'NextVersionIdMarker'> | undefined = {}
  while (at !== undefined) {
    const markers = { KeyMarker: at.NextKeyMarker, VersionIdMarker: at.NextVersionIdMarker }
    const page: ListObjectVersionsCommandOutput = await s3.listObjectVersions({
      Bucket: bucket,
      Prefix: name,
      ...markers,
    })
    for (const { Key, VersionId } of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])])
      if (Key === name && VersionId !== undefined) yield VersionId
    at = page.NextKeyMarker === name ? page : undefined
  }
}

/** In a versioned bucket a plain delete would only hide the value. */
async function remove(place: Place, name: string): Promise<void> {
  for await (const VersionId of versions(place, name))
    await place.s3.deleteObject({ Bucket: place.bucket, Key: name, VersionId })
}

async function* names({ s3, bucket }: Place, prefix: string): AsyncGenerator<string> {
  let token: string | undefined
  do {
    const from: { readonly ContinuationToken?: string } =
      token === undefined ? {} : { ContinuationToken: token }
    const page = await s3.listObjectsV2({ Bucket: bucket, Prefix: prefix, ...from })
    for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

/** A state in a bucket that keeps conditional writes (`If-Match`, `If-None-Match`); best without versioning, else every version is kept until deleted. */
export async function openS3State(config: S3StateConfig): Promise<StateStore> {
  const { bucket } = config
  const place = { s3: await connect(config), bucket }
  const base = config.prefix === '' ? '' : `${config.prefix}/`
  const nameOfKey = (key: string): string => `${base}${key}${suffix}`
  const reached = async <T>(action: Promise<T>): Promise<T> =>
    await action.catch((error: unknown) => {
      throw failure(error, bucket)
    })

  async function get(name: string): Promise<StateEntry | undefined> {
    const stored = await read(place, name)
    return stored && { value: unframe(stored.bytes, name).value, version: stored.etag }
  }

  async function list(prefix: string): Promise<string[]> {
    const found: string[] = []
    for await (const name of names(place, base + prefix))
      if (name.endsWith(suffix)) found.push(name.slice(base.length, -suffix.length))
    return found.toSorted(byBytes)
  }

  return {
    get: async key => await reached(get(nameOfKey(key))),
    put: async (key, value, expected) =>
      await reached(replace(place, { name: nameOfKey(key), value, expected })),
    delete: async key => {
      await reached(remove(place, nameOfKey(key)))
    },
    async *list(prefix) {
      yield* await reached(list(prefix))
    },
    async [Symbol.asyncDispose]() {
      await Promise.resolve(place.s3.destroy())
    },
  }
}
