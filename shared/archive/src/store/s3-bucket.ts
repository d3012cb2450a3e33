import type { S3Client } from '@aws-sdk/client-s3'
import { AppError } from '@muniment/schema'
import { awsClientOptions, type AwsReach } from '@muniment/state/aws'

/** Where the objects lie, and how to reach it. */
export interface S3StoreConfig {
  readonly bucket: string
  /** Put before every key; empty or ending in `/`. */
  readonly prefix?: string
  /** `GOVERNANCE` only for test buckets that must be emptied again. */
  readonly lockMode?: 'COMPLIANCE' | 'GOVERNANCE'
  readonly client?: AwsReach
}

type Sdk = typeof import('@aws-sdk/client-s3')

/** A bucket and the loaded client for it. */
export interface Bucket {
  readonly sdk: Sdk
  readonly client: S3Client
  readonly config: S3StoreConfig
}

const limits = { attempts: 5, requestTimeoutMs: 30_000 }

/** A client for the bucket; loads the SDK on first use. */
export async function openBucket(config: S3StoreConfig): Promise<Bucket> {
  const sdk = await import('@aws-sdk/client-s3')
  return { sdk, client: new sdk.S3Client(awsClientOptions(config.client ?? {}, limits)), config }
}

/** The stable name of what a store answered. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown error'
}

/** The HTTP status of what a store answered. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  const metadata: unknown = error.$metadata
  const hasStatus = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
  return hasStatus && typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}

/** The error for an answer that is neither success nor a value. */
export function failure(action: string, key: string, cause: unknown): AppError {
  const status = statusOf(cause)
  const isRefusal = status !== undefined && status >= 400 && status < 500
  const code = isRefusal ? 'STORE_REFUSED' : 'DEPENDENCY_UNREACHABLE'
  const details = { key, status, error: nameOf(cause) }
  return new AppError(code, `cannot ${action} ${key}: ${nameOf(cause)}`, { cause, details })
}

/** Missing, or a version id this key never had; stores answer the latter with 400 or 404, for a delete marker with 405. */
export function isMissing(error: unknown, version: string | undefined): boolean {
  const status = statusOf(error)
  if (nameOf(error) === 'NoSuchBucket') return false
  return status === 404 || (version !== undefined && (status === 400 || status === 405))
}

/** Waits a random time that doubles with every attempt. */
export function pause(attempt: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  setTimeout(resolve, Math.random() * 20 * 2 ** attempt, undefined)
  return promise
}

/** The key as the bucket knows it. */
export function fullKey(bucket: Bucket, key: string): string {
  return `${bucket.config.prefix ?? ''}${key}`
}
