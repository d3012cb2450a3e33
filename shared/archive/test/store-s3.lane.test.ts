import { randomBytes } from 'node:crypto'
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { s3Error, startFaultProxy, type FaultProxy } from '../../../test/lanes/fault-proxy.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { describeLanes } from '../../../test/lanes/lanes.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { startS3, type S3Server } from '../../../test/lanes/s3.ts'
import { openArchive } from '../src/archive.ts'
import type { CommittedManifest } from '../src/format/manifest.ts'
import { openLog } from '../src/log.ts'
import { openStore, whyStoreIsUnsafe } from '../src/store/open.ts'
import { checkWorm } from '../src/store/worm.ts'
import type { ArchiveStore, Store } from '../src/store/store.ts'
import { verifyArchive } from '../src/verify.ts'
import type { VerifyReport } from '../src/verify/report.ts'
import { createCutWriter } from '../src/writer.ts'
import { collect, event } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { fill, now, smallArchive } from './small-archive.ts'
import { storeContract } from './store-contract.ts'

const bucket = 'evidence'

async function withLocks(store: ArchiveStore): Promise<VerifyReport> {
  return await verifyArchive({ store, withLocks: true })
}

function codes({ problems }: VerifyReport): string[] {
  return problems.map(({ code, object }) => `${code} ${object}`)
}

/** Writes one cut, locked for so long. */
async function writeTo(store: Store, retentionDays?: number): Promise<CommittedManifest> {
  const keys = createMemoryKeys()
  const lock = retentionDays === undefined ? {} : { retentionDays }
  const writer = createCutWriter({ store, keys, now: Date.now, randomBytes, ...lock })
  const records = [{ offset: 0, value: event({ seq: 0 }), appendedMs: Date.now() }]
  const cut = { topic: topic.events, partition: 0, records, nextOffset: 1, previous: undefined }
  return (await writer.write(cut)).manifest
}

describeLanes(['s3'], 'the S3 store', () => {
  let server: S3Server
  let proxy: FaultProxy
  let raw: S3Client
  const opened: ArchiveStore[] = []

  const open = async (prefix: string, endpoint = server.endpoint): Promise<ArchiveStore> => {
    const { region, accessKeyId, secretAccessKey } = server
    const credentials = { accessKeyId, secretAccessKey }
    const store = await openStore({
      kind: 's3',
      bucket,
      prefix,
      client: { endpoint, region, credentials, forcePathStyle: true },
    })
    opened.push(store)
    return store
  }

  beforeAll(async () => {
    server = await startS3()
    await server.createLockedBucket(bucket)
    proxy = await startFaultProxy(server.endpoint)
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    raw = new S3Client({
      endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
      forcePathStyle: true,
    })
  }, 60_000)

  afterAll(async () => {
    for (const store of opened) await store[Symbol.asyncDispose]()
    raw.destroy()
    await proxy[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  storeContract('S3', () => open('contract/'))

  test('tells a bucket that keeps objects from one that does not', async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    await server.createBucket('plain')
    const client = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true }
    const why = async (name: string): Promise<string | undefined> =>
      whyStoreIsUnsafe({ kind: 's3', bucket: name, client })
    expect(await why(bucket)).toBeUndefined()
    expect(await why('plain')).toContain('not versioned')
    await expect(why('missing')).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  })

  test('a bucket with Object Lock passes every check that tries to break it, and nothing is left in it', async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    const client = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true }
    const { findings, cleanUp } = await checkWorm({ bucket, client })
    await cleanUp()
    expect(findings.filter(({ isFine }) => !isFine)).toEqual([])
    expect(findings.length).toBeGreaterThan(15)
    const left = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: 'muniment-worm-check/' })
    expect((await raw.send(left)).Versions ?? []).toEqual([])
  }, 60_000)

  test('a plain bucket fails them by what it does, not by what it says', async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    await server.createBucket('unlocked')
    const client = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true }
    const { findings, cleanUp } = await checkWorm({ bucket: 'unlocked', client })
    void cleanUp()
    const failed = findings.filter(({ isFine }) => !isFine).map(({ id }) => id)
    expect(failed).toEqual(expect.arrayContaining(['B01', 'B02', 'C01', 'C02', 'V01', 'V02']))
    expect(failed).not.toContain('X03')
  }, 60_000)

  test('keeps what is locked against whoever holds every permission', async () => {
    const store = await open('locked/')
    const retainUntil = new Date(Date.now() + 3_600_000)
    const put = await store.put({ key: 'seg/a', bytes: Buffer.from('kept'), retainUntil, ifTaken: 'refuse' })
    if (put.kind !== 'stored') throw new Error('not stored')
    const { version } = put
    const remove = {
      Bucket: bucket,
      Key: 'locked/seg/a',
      VersionId: version,
      BypassGovernanceRetention: true,
    }
    await expect(raw.send(new DeleteObjectCommand(remove))).rejects.toThrow()
    expect(await store.get('seg/a', { version })).toEqual(Buffer.from('kept'))
  })

  test('reads the first version, whatever is put over it or hides it', async () => {
    const store = await open('shadow/')
    await store.put({ key: 'seg/a', bytes: Buffer.from('true'), ifTaken: 'refuse' })
    await raw.send(new PutObjectCommand({ Bucket: bucket, Key: 'shadow/seg/a', Body: 'false' }))
    expect(await store.get('seg/a')).toEqual(Buffer.from('true'))
    await raw.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'shadow/seg/a' }))
    expect(await store.get('seg/a')).toEqual(Buffer.from('true'))
    const listed = await collect(store.list(''))
    expect(listed.map(({ isDeleteMarker }) => isDeleteMarker)).toEqual([false, false, true])
    expect(await store.put({ key: 'seg/a', bytes: Buffer.from('true'), ifTaken: 'refuse' })).toMatchObject({
      kind: 'stored',
    })
  })

  describe('where the network fails', () => {
    test('adopts its own object after a lost reply', async () => {
      const store = await open('lost/', proxy.endpoint)
      let dropped = 0
      proxy.setRule(({ method }) =>
        method === 'PUT' && dropped++ === 0 ? { kind: 'drop-after' } : undefined,
      )
      const put = await store.put({ key: 'seg/a', bytes: Buffer.from('once'), ifTaken: 'refuse' })
      expect(put.kind).toBe('stored')
      const versions = await raw.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: 'lost/' }))
      expect(versions.Versions).toHaveLength(1)
      expect(put.kind === 'stored' && put.version).toBe(versions.Versions?.[0]?.VersionId)
    })

    test('takes a lost reply to a replaced checkpoint for success', async () => {
      const store = await open('lost-checkpoint/', proxy.endpoint)
      let dropped = 0
      proxy.setRule(({ method }) =>
        method === 'PUT' && dropped++ === 0 ? { kind: 'drop-after' } : undefined,
      )
      expect(await store.checkpoint.replace(Buffer.from('head 1'), undefined)).toBe(true)
      const read = await store.checkpoint.read()
      dropped = 0
      expect(await store.checkpoint.replace(Buffer.from('head 2'), read?.tag)).toBe(true)
    })

    test('waits where the store asks it to, and says so where that does not help', async () => {
      const store = await open('slow/', proxy.endpoint)
      let count = 0
      proxy.setRule(() => (count++ < 2 ? s3Error(503, 'SlowDown') : undefined))
      await store.put({ key: 'seg/a', bytes: Buffer.from('x'), ifTaken: 'refuse' })
      proxy.setRule(() => s3Error(403, 'AccessDenied'))
      await expect(store.get('seg/a')).rejects.toMatchObject({ code: 'STORE_REFUSED' })
      proxy.setRule(() => ({ kind: 'drop-before' }))
      await expect(store.head('seg/a', 'x')).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
      proxy.setRule(() => undefined)
    }, 30_000)

    test('is the same where every reply takes its time, and each another', async () => {
      const store = await open('late/', proxy.endpoint)
      proxy.setRule(({ index }) => ({ kind: 'delay', delayMs: (index * 37) % 150 }))
      const keys = Array.from({ length: 12 }, (_, at) => `seg/${String(at).padStart(2, '0')}`)
      const put = (key: string): Promise<unknown> =>
        store.put({ key, bytes: Buffer.from(key), ifTaken: 'refuse' })
      // Each of two writers for every key: one object comes of it, whoever is first.
      await Promise.all([...keys, ...keys].map(put))
      const listed = await collect(store.list('seg/'))
      expect(listed.map(({ key }) => key)).toEqual(keys)
      expect(await Promise.all(keys.map(key => store.get(key)))).toEqual(keys.map(key => Buffer.from(key)))
      proxy.setRule(() => undefined)
    }, 30_000)

    test('goes on where its own clock is an hour off', async () => {
      const store = await open('skewed/', proxy.endpoint)
      proxy.setRule(() => undefined)
      const before = proxy.requestCount()
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
      try {
        await store.put({ key: 'seg/a', bytes: Buffer.from('late'), ifTaken: 'refuse' })
        // The first was refused for its time, the second signed with the server's.
        expect(proxy.requestCount() - before).toBe(2)
        expect((await store.get('seg/a'))?.toString()).toBe('late')
      } finally {
        vi.useRealTimers()
      }
    })

    test('asks again for a body that broke off', async () => {
      const store = await open('half/', proxy.endpoint)
      proxy.setRule(() => undefined)
      const bytes = randomBytes(100_000)
      const put = await store.put({ key: 'seg/a', bytes, ifTaken: 'refuse' })
      const version = put.kind === 'stored' ? put.version : ''
      let broken = 0
      proxy.setRule(({ method }) =>
        method === 'GET' && broken++ === 0 ? { kind: 'half-response' } : undefined,
      )
      expect(await store.get('seg/a', { version })).toEqual(bytes)
      expect(broken).toBe(2)
      proxy.setRule(() => undefined)
    })
  })

  test('holds an archive whose shadowed and hidden objects are found', async () => {
    const store = await open('archive/')
    const keys = createMemoryKeys()
    const cuts = [[event({ seq: 0 })], [event({ seq: 1 })]]
    await fill({ store, keys }, cuts, { topic: topic.events })
    const signer = createNoteSigner('log.test/s3')
    const partitions = [{ topic: topic.events, partition: 0 }]
    await openLog({ store, signer, partitions, now }).integrate()
    const verify = async (): Promise<string[]> => {
      const report = await verifyArchive({ store, keys, verifierKey: signer.vkey })
      return report.problems.map(({ code, object }) => `${code} ${object}`)
    }
    expect(await verify()).toEqual([])
    const manifest = 'manifest/v1/mcp.events/0/00000000000000000000.json'
    await raw.send(new PutObjectCommand({ Bucket: bucket, Key: `archive/${manifest}`, Body: '{}' }))
    expect(await verify()).toEqual([`object.shadowed ${manifest}`])
    const data = 'seg/v1/t=acme/d=2026-11-21/h=09/mcp.events-0-0-0.parquet'
    await raw.send(new DeleteObjectCommand({ Bucket: bucket, Key: `archive/${data}` }))
    expect(await verify()).toEqual([`object.shadowed ${manifest}`, `object.hidden ${data}`])
  }, 30_000)

  describe('the locks of an archive', () => {
    test('are told by object and version', async () => {
      const store = await open('locks/')
      await writeTo(store, 2)
      const { problems, locks = [] } = await withLocks(store)
      expect(problems).toEqual([])
      expect(locks.map(({ object }) => object.split('/')[0])).toEqual(['seg', 'seg', 'manifest'])
      for (const { mode, until_ms: untilMs = 0, version } of locks) {
        expect(mode).toBe('COMPLIANCE')
        expect(version).not.toBe('null')
        expect(Math.abs(untilMs - Date.now() - 2 * 86_400_000)).toBeLessThan(60_000)
      }
    })

    test('are missed where an object has none', async () => {
      const store = await open('no-locks/')
      await writeTo(store)
      expect(new Set((await withLocks(store)).problems.map(({ code }) => code))).toEqual(
        new Set(['lock.absent']),
      )
    })

    test('are found to end before the time that the manifest says', async () => {
      const store = await open('short-locks/')
      const hasty: Store = {
        ...store,
        put({ retainUntil = new Date(), ...object }) {
          return store.put({ ...object, retainUntil: new Date(retainUntil.getTime() - 86_400_000) })
        },
      }
      const { manifest } = await writeTo(hasty, 2)
      const { problems } = await withLocks(store)
      const short = problems.filter(({ code }) => code === 'lock.short')
      expect(short.map(({ object }) => object)).toEqual(
        manifest.objects.flatMap(({ key, tree }) => [key, tree.key]),
      )
      expect(short[0]?.reason).toMatch(/^is locked until \d{4}-\d\d-\d\d only, not until/u)
    })

    test('are told to be none where the store has none', async () => {
      const { store, keys } = await smallArchive()
      const { ok, notes, locks } = await verifyArchive({ store, keys, withLocks: true })
      expect({ ok, locks, codes: notes.map(({ code }) => code) }).toMatchObject({
        ok: true,
        locks: [],
        codes: expect.arrayContaining(['lock.unknown']),
      })
    })

    test('a bucket whose versioning was suspended: what was replaced, removed or written meanwhile is named', async () => {
      await server.createVersionedBucket('suspended')
      const { endpoint, region, accessKeyId, secretAccessKey } = server
      const client = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true }
      await using store = await openStore({ kind: 's3', bucket: 'suspended', client })
      const keys = createMemoryKeys()
      await fill({ store, keys }, [[event({ seq: 0 })]], { topic: topic.events })
      const data = (await collect(store.list('seg/')))[0]
      const suspend = { Bucket: 'suspended', VersioningConfiguration: { Status: 'Suspended' as const } }
      await raw.send(new PutBucketVersioningCommand(suspend))
      expect(await whyStoreIsUnsafe({ kind: 's3', bucket: 'suspended', client })).toContain('not versioned')
      await raw.send(new PutObjectCommand({ Bucket: 'suspended', Key: data?.key, Body: 'forged' }))
      expect(codes(await verifyArchive({ store, keys }))).toEqual([`object.shadowed ${data?.key}`])
      const remove = { Bucket: 'suspended', Key: data?.key, VersionId: data?.version }
      await raw.send(new DeleteObjectCommand(remove))
      expect(codes(await verifyArchive({ store, keys }))).toContain(`object.missing ${data?.key}`)
      const previous = await openArchive({ store, keys }).newest(topic.events, 0)
      const added = await fill({ store, keys }, [[event({ seq: 1 })]], { topic: topic.events, previous })
      const { problems } = await verifyArchive({ store, keys, withLocks: true })
      const found = problems.find(({ object }) => object === added?.key)
      expect(found).toMatchObject({ code: 'lock.absent', reason: expect.stringContaining('suspended') })
    }, 30_000)
  })
})
