// A real S3 server with Object Lock for tests: MinIO, built from source, a process of its own.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { install, runProgram, toolPath, type Progress } from './cache.ts'
import { inherited } from './environment.ts'
import { freePort } from './ports.ts'
import { serverFolder, startServer, type Server } from './server.ts'

// The last commit of an archived project, AGPL-3.0: run beside the tests, never linked or shipped.
// Release tags are not to be had from the Go module proxy; this pseudo-version is.
const version = 'v0.0.0-20260212201848-7aac2a2c5b7c'
const name = `minio-${version}-${process.platform}-${process.arch}`
const region = 'us-east-1'

export interface S3Server extends Server {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** What a process that speaks S3 needs in its environment to reach this server and no other. */
  readonly env: Readonly<Record<string, string>>
  /** What the server has written, one folder per bucket. */
  readonly dataFolder: string
  /** Creates a bucket for mutable state: no versions, no locks. */
  readonly createBucket: (bucket: string) => Promise<void>
  /** Creates a bucket that keeps versions, but locks nothing. */
  readonly createVersionedBucket: (bucket: string) => Promise<void>
  /** Creates a versioned bucket with Object Lock, which cannot be turned on later; no default retention. */
  readonly createLockedBucket: (bucket: string) => Promise<void>
}

/** Builds the server (about 4 CPU-minutes, 112 MB) unless the cache has it. */
export async function installS3(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: 'MinIO: building from source with Go (2-6 minutes on two cores)',
      make: async target => {
        const folder = dirname(target)
        const flags = ['install', '-ldflags=-s -w', `github.com/minio/minio@${version}`]
        // No -trimpath: it would compile everything anew instead of using the person's build cache.
        await runProgram('nice', ['-n', '10', 'go', ...flags], { GOBIN: folder, CGO_ENABLED: '0' })
        renameSync(join(folder, 'minio'), target)
      },
    },
    progress,
  )
}

/** Whether the server has been built. */
export function isS3Installed(): boolean {
  return existsSync(toolPath(name))
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

type Connection = Pick<S3Server, 'endpoint' | 'accessKeyId' | 'secretAccessKey'>

async function createBucket(
  connection: Connection,
  Bucket: string,
  kind: 'plain' | 'versioned' | 'locked',
): Promise<void> {
  const { S3Client, CreateBucketCommand, PutBucketVersioningCommand } = await import('@aws-sdk/client-s3')
  const { endpoint, ...credentials } = connection
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  try {
    await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: kind === 'locked' }))
    if (kind !== 'versioned') return
    const VersioningConfiguration = { Status: 'Enabled' } as const
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
  } finally {
    client.destroy()
  }
}

/** Starts an empty server with random credentials and resolves when its first call will succeed. */
export async function startS3(): Promise<S3Server> {
  const folder = serverFolder('s3')
  const dataFolder = join(folder, 'data')
  mkdirSync(dataFolder)
  const address = `127.0.0.1:${await freePort()}`
  const connection = {
    endpoint: `http://${address}`,
    accessKeyId: randomBytes(8).toString('hex'),
    secretAccessKey: randomBytes(16).toString('hex'),
  }
  const server = await startServer({
    folder,
    command: toolPath(name),
    args: ['server', dataFolder, '--quiet', '--address', address],
    env: inherited({
      HOME: folder,
      MINIO_ROOT_USER: connection.accessKeyId,
      MINIO_ROOT_PASSWORD: connection.secretAccessKey,
      MINIO_KMS_SECRET_KEY: `test:${randomBytes(32).toString('base64')}`,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
    }),
    // /minio/health/ready says 200 while calls still get 503 XMinioServerNotInitialized.
    isReady: async () => await answers(`${connection.endpoint}/minio/health/cluster`),
  })
  return {
    ...server,
    ...connection,
    region,
    dataFolder,
    env: {
      AWS_ENDPOINT_URL_S3: connection.endpoint,
      AWS_ACCESS_KEY_ID: connection.accessKeyId,
      AWS_SECRET_ACCESS_KEY: connection.secretAccessKey,
      AWS_REGION: region,
    },
    createBucket: async bucket => await createBucket(connection, bucket, 'plain'),
    createVersionedBucket: async bucket => await createBucket(connection, bucket, 'versioned'),
    createLockedBucket: async bucket => await createBucket(connection, bucket, 'locked'),
  }
}
