import { S3 } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openState, type StateConfig } from '../src/index.ts'
// @boundaries-ignore real servers are started for tests only, from one place
import { s3Error, startFaultProxy } from '../../../test/lanes/fault-proxy.ts'
// @boundaries-ignore real servers are started for tests only, from one place
import { describeLanes } from '../../../test/lanes/lanes.ts'
// @boundaries-ignore real servers are started for tests only, from one place
import { startS3, type S3Server } from '../../../test/lanes/s3.ts'
import { stateContract } from './contract.ts'

const text = new TextEncoder()

function clientOf({ endpoint, region, accessKeyId, secretAccessKey }: S3Server): S3 {
  return new S3({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } })
}

describeLanes(['s3'], 'the state in S3', () => {
  let server: S3Server

  beforeAll(async () => {
    server = await startS3()
    const s3 = clientOf(server)
    await s3.createBucket({ Bucket: 'plain' })
    await s3.createBucket({ Bucket: 'versioned' })
    await s3.putBucketVersioning({ Bucket: 'versioned', VersioningConfiguration: { Status: 'Enabled' } })
    s3.destroy()
  }, 60_000)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  function configOf(bucket: string, prefix: string, endpoint = server.endpoint): StateConfig {
    const { region, accessKeyId, secretAccessKey } = server
    const credentials = { accessKeyId, secretAccessKey }
    return { kind: 's3', bucket, prefix, endpoint, region, credentials, forcePathStyle: true }
  }

  for (const bucket of ['plain', 'versioned'])
    stateContract(`s3, ${bucket} bucket`, async () => {
      return await Promise.resolve({
        open: async () => await openState(configOf(bucket, 'state/v1')),
        [Symbol.asyncDispose]: async () => await Promise.resolve(),
      })
    })

  test('deleting leaves no version behind, and no neighbour is touched', async () => {
    await using state = await openState(configOf('versioned', ''))
    let version: string | undefined
    for (const value of ['one', 'two', 'three'])
      version = await state.put('shred/key', text.encode(value), version)
    await state.put('shred/key-2', text.encode('kept'), undefined)
    await state.delete('shred/key')
    const s3 = clientOf(server)
    const { Versions, DeleteMarkers } = await s3.listObjectVersions({ Bucket: 'versioned', Prefix: 'shred/' })
    expect(Versions?.map(({ Key }) => Key)).toEqual(['shred/key-2!'])
    expect(DeleteMarkers ?? []).toEqual([])
    s3.destroy()
  })

  test('a write whose reply is lost counts once, and is recognised as ours', async () => {
    await using proxy = await startFaultProxy(server.endpoint)
    await using state = await openState(configOf('plain', 'lost', proxy.endpoint))
    let lost = 0
    proxy.setRule(({ method }) => {
      if (method !== 'PUT' || lost > 0) return undefined
      lost += 1
      return { kind: 'drop-after' }
    })
    const created = await state.put('a', text.encode('one'), undefined)
    expect(created).toBeDefined()
    expect((await state.get('a'))?.version).toBe(created)
    lost = 0
    const replaced = await state.put('a', text.encode('two'), created)
    expect(replaced).toBeDefined()
    expect((await state.get('a'))?.version).toBe(replaced)
  }, 30_000)

  test.each([
    [403, 'AccessDenied', 'STORE_REFUSED'],
    [404, 'NoSuchBucket', 'STORE_REFUSED'],
    [503, 'SlowDown', 'DEPENDENCY_UNREACHABLE'],
    [500, 'InternalError', 'DEPENDENCY_UNREACHABLE'],
  ])(
    '%i %s is %s, naming bucket and reason',
    async (status, name, code) => {
      await using proxy = await startFaultProxy(server.endpoint)
      await using state = await openState(configOf('plain', 'fault', proxy.endpoint))
      proxy.setRule(() => s3Error(status, name))
      const put = state.put('a', text.encode('x'), undefined)
      await expect(put).rejects.toMatchObject({ code, message: expect.stringContaining(`plain`) })
      await expect(state.get('a')).rejects.toMatchObject({ code, message: expect.stringContaining(name) })
    },
    60_000,
  )

  test('a server that is not there is DEPENDENCY_UNREACHABLE', async () => {
    await using state = await openState(configOf('plain', 'x', 'http://127.0.0.1:9'))
    await expect(state.get('a')).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  }, 30_000)
})
