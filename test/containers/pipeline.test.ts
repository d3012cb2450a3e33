import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import type { S3Server } from '../lanes/s3.ts'
import type { Server } from '../lanes/server.ts'
import {
  environmentOf,
  muniment,
  named,
  runJob,
  startSite,
  startWorker,
  workerNames,
  type Site,
} from './site.ts'

const everything = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))

/** Calls a server that nobody here wrote, observed with the rights of the user `interceptor`. */
async function observeOneCall(site: Site, home: string): Promise<void> {
  const ingestKey = await runJob({ ...named('keys'), command: ['keys', 'ingest'] }, site)
  const interceptor = {
    ...environmentOf(named('masker'), site),
    MUNIMENT_HOME: home,
    MUNIMENT_INGEST_KEY: ingestKey.trim(),
    MUNIMENT_KAFKA_SASL_USERNAME: 'interceptor',
    MUNIMENT_KAFKA_SASL_PASSWORD_FILE: join(site.broker.secretsFolder, 'kafka-interceptor'),
  }
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [muniment, 'wrap', '--', process.execPath, everything, 'stdio'],
      env: inherited(interceptor),
      stderr: 'inherit',
    }),
  )
  await client.callTool({ name: 'echo', arguments: { message: 'hello' } })
  await client.close()
}

async function archivedKeys({
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
}: S3Server): Promise<readonly string[]> {
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'evidence' }))
  s3.destroy()
  return Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key]))
}

describeLanes(['kafka', 's3', 'secrets'], 'the services of the compose file, as plain processes', () => {
  const workers = new Map<string, Server>()
  let folder = ''
  let site: Site

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muniment-site-'))
    site = await startSite(folder)
    for (const job of ['prepare-kafka', 'prepare-buckets', 'keys']) await runJob(named(job), site)
    for (const name of workerNames) workers.set(name, await startWorker(named(name), site))
  }, 120_000)

  afterAll(async () => {
    for (const worker of workers.values()) await worker.stop()
    await Promise.all([site.broker.stop(), site.s3.stop(), site.secretsManager.stop()])
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }, 60_000)

  test('a call observed as `interceptor` ends in the archive, which ends in a checkpoint', async () => {
    await observeOneCall(site, join(folder, 'interceptor'))
    const manifestOfEvents = expect.stringMatching(/\/manifest\/v1\/mcp\.events\//u)
    const look = async (): Promise<void> => {
      const keys = await archivedKeys(site.s3)
      expect(keys).toContainEqual(manifestOfEvents)
      expect(keys).toContain('muniment/log/checkpoint')
    }
    await vi.waitFor(look, { timeout: 30_000, interval: 250 })
  }, 60_000)

  test.each(workerNames)('%s has every right that it asked for', name => {
    expect(workers.get(name)?.log()).not.toMatch(/not authorized|AUTHORIZATION_FAILED|AccessDenied/iu)
  })
})
