import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { s3Error, startFaultProxy } from '../fault-proxy.ts'
import { describeLanes } from '../lanes.ts'
import { startS3, type S3Server } from '../s3.ts'

function client(server: S3Server, endpoint = server.endpoint): S3Client {
  const { accessKeyId, secretAccessKey, region } = server
  const credentials = { accessKeyId, secretAccessKey }
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 })
}

const locked = {
  Bucket: 'evidence',
  Key: 'a',
  Body: 'kept',
  ObjectLockMode: 'COMPLIANCE',
  ObjectLockRetainUntilDate: new Date(Date.now() + 60_000),
} as const

describeLanes(['s3'], 'the S3 lane', () => {
  test('a locked version cannot be deleted and outlives SIGKILL', async () => {
    await using server = await startS3()
    await server.createLockedBucket('evidence')
    const s3 = client(server)
    const { VersionId } = await s3.send(new PutObjectCommand(locked))
    const version = { Bucket: 'evidence', Key: 'a', VersionId }
    await server.kill9()
    await server.restart()
    await expect(
      s3.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true })),
    ).rejects.toThrow()
    const { Body } = await s3.send(new GetObjectCommand(version))
    expect(await Body?.transformToString()).toBe('kept')
  }, 60_000)

  test('the fault proxy injects errors, and losses after the effect, without breaking signatures', async () => {
    await using server = await startS3()
    await server.createLockedBucket('evidence')
    await using proxy = await startFaultProxy(server.endpoint)
    const s3 = client(server, proxy.endpoint)
    proxy.setRule(() => s3Error(503, 'SlowDown'))
    await expect(s3.send(new PutObjectCommand(locked))).rejects.toMatchObject({ name: 'SlowDown' })
    proxy.setRule(({ method }) => (method === 'PUT' ? { kind: 'drop-after' } : undefined))
    await expect(s3.send(new PutObjectCommand(locked))).rejects.toThrow()
    const { ContentLength } = await s3.send(new HeadObjectCommand({ Bucket: 'evidence', Key: 'a' }))
    expect(ContentLength).toBe(4)
  }, 60_000)

  test('a cut reply is an error for the reader', async () => {
    await using server = await startS3()
    await server.createLockedBucket('evidence')
    await using proxy = await startFaultProxy(server.endpoint)
    const s3 = client(server, proxy.endpoint)
    await s3.send(new PutObjectCommand(locked))
    proxy.setRule(() => ({ kind: 'half-response' }))
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'evidence', Key: 'a' }))
    await expect(Body?.transformToString()).rejects.toThrow()
  }, 60_000)
})
