import type { PutObjectCommandInput } from '@aws-sdk/client-s3'
import type { Bucket } from './s3-bucket.ts'

/** What a store answered: a refusal is a value here, anything but an answer is thrown. */
export interface Answer {
  readonly isOk: boolean
  readonly name: string
  readonly status: number
  readonly version: string | undefined
}

/** A bucket, and a place in it that is only for checking. */
export interface Probe {
  readonly bucket: Bucket
  readonly key: (name: string) => string
  readonly put: (key: string, body: string, more?: Partial<PutObjectCommandInput>) => Promise<Answer>
  /** The bytes of a version; `undefined` where they cannot be read. */
  readonly read: (key: string, version: string | undefined) => Promise<string | undefined>
  /** Sends a command that may be refused. */
  readonly attempt: (send: () => Promise<object>) => Promise<Answer>
  readonly versions: (key: string) => Promise<readonly string[]>
  /** When what is locked for a check is free again. */
  readonly untilDate: Date
}
