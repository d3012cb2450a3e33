import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, readConfig } from '@muniment/runtime'
import { openState } from '@muniment/state'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { s3Error, startFaultProxy, type FaultProxy } from '../../../test/lanes/fault-proxy.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { describeLanes } from '../../../test/lanes/lanes.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { startS3, type S3Server } from '../../../test/lanes/s3.ts'
import { readCliConfig } from '../src/config.ts'
import { openEvidenceStoreOf, type EvidenceStore } from '../src/evidence-store.ts'
import { takeActs } from './acts.ts'
import { muniment } from './io.ts'

const log = createLogger({ name: 'test', level: 'silent' })

/** What a bucket with Object Lock answers to the question whether it has it. */
const lockedAnswer = `<?xml version="1.0" encoding="UTF-8"?><ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`

describeLanes(['s3'], 'the store that evidence is written to', () => {
  let server: S3Server
  let proxy: FaultProxy
  let home = ''

  beforeAll(async () => {
    server = await startS3()
    proxy = await startFaultProxy(server.endpoint)
    await server.createLockedBucket('locked')
    await server.createBucket('plain')
    await server.createVersionedBucket('lying')
  }, 60_000)

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'muniment-evidence-'))
    for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value)
    vi.stubEnv('AWS_ENDPOINT_URL_S3', proxy.endpoint)
    proxy.setRule(() => undefined)
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await rm(home, { recursive: true, force: true, maxRetries: 10 })
  })
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const open = async (bucket: string, more: Record<string, string> = {}): Promise<EvidenceStore> => {
    const env = { MUNIMENT_HOME: home, MUNIMENT_STORE: `s3://${bucket}/archive`, ...more }
    const config = readCliConfig({ ...env, AWS_ENDPOINT_URL_S3: proxy.endpoint })
    return openEvidenceStoreOf({ config, state: await openState(config.state), log })
  }

  test('is attacked before the first use, and not again on the same day', async () => {
    expect(await open('locked')).toMatchObject({ retentionDays: 365 })
    const first = proxy.requestCount()
    expect(first).toBeGreaterThan(50)
    expect(await open('locked')).toMatchObject({ retentionDays: 365 })
    expect(proxy.requestCount() - first).toBeLessThan(5)
  }, 30_000)

  test('keeps what the section retention_classes names for its times, log and manifests for the longest', async () => {
    const yaml = 'retention_classes:\n  - { name: long, tenant: finance, days: 3650 }\n'
    const env = { MUNIMENT_HOME: home, AWS_ENDPOINT_URL_S3: proxy.endpoint }
    const openIn = async (store: string): Promise<EvidenceStore> => {
      const config = readConfig({ env: { ...env, MUNIMENT_STORE: store }, yaml })
      return openEvidenceStoreOf({ config, state: await openState(config.state), log })
    }
    const retentionClasses = [{ name: 'long', tenant: 'finance', days: 3650 }]
    expect(await openIn('s3://locked/archive')).toMatchObject({
      retentionDays: 365,
      retentionClasses,
      longestDays: 3650,
    })
    // A folder locks nothing, so that nothing in it is ever removed lawfully.
    const inFolder = await openIn(`file:${join(home, 'archive')}`)
    expect(inFolder).toMatchObject({ retentionDays: undefined, longestDays: undefined })
  }, 30_000)

  test('is attacked again where the memory of it is of a time to come', async () => {
    await open('locked')
    const state = await openState({ kind: 'file', dir: join(home, 'state') })
    for await (const place of state.list('store-checks/'))
      await state.put(place, Buffer.from(String(Date.now() + 1e9)), (await state.get(place))?.version)
    const before = proxy.requestCount()
    await open('locked')
    expect(proxy.requestCount() - before).toBeGreaterThan(50)
  }, 30_000)

  test('is refused where it is not versioned', async () => {
    await expect(open('plain')).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('not versioned'),
    })
  })

  test('is refused where it only says that it keeps objects', async () => {
    proxy.setRule(({ method, url }) =>
      method === 'GET' && url.includes('object-lock')
        ? { kind: 'reply', status: 200, body: lockedAnswer, headers: { 'content-type': 'application/xml' } }
        : undefined,
    )
    await expect(open('lying')).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringMatching(/C01.*C02/u),
    })
  }, 30_000)

  test('is called unreachable, not unsafe, where it does not answer', async () => {
    let puts = 0
    proxy.setRule(({ method }) =>
      method === 'PUT' && puts++ > 2 ? s3Error(500, 'InternalError') : undefined,
    )
    await expect(open('locked')).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  }, 60_000)

  test('is used in spite of that by an explicit setting, which is an act on record', async () => {
    await muniment(['keys', 'init'], { env: { MUNIMENT_HOME: home } })
    expect(await open('plain', { MUNIMENT_STORE_UNSAFE: 'true' })).toMatchObject({ retentionDays: undefined })
    expect(await takeActs(home)).toMatchObject([
      { method: 'muniment/store.unsafe', details: { reason: expect.stringContaining('not versioned') } },
    ])
  }, 30_000)

  test('is not used in spite of that where it cannot be put on record', async () => {
    await writeFile(join(home, 'file'), '')
    const nowhere = { MUNIMENT_BUS: 'kafka://127.0.0.1:1', MUNIMENT_SECRETS: `file:${home}/file/none` }
    await expect(open('plain', { MUNIMENT_STORE_UNSAFE: 'true', ...nowhere })).rejects.toMatchObject({
      code: expect.stringMatching(/^SECRET_/u),
    })
  }, 30_000)
})
