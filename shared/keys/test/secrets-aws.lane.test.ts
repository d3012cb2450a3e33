import { createServer } from 'node:http'
import { randomBytes } from 'node:crypto'
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openState } from '@muniment/state'
import { initSecrets, openKeys, openSecrets, type SecretStore } from '../src/index.ts'
// @boundaries-ignore real servers are started for tests only, from one place
import { describeLanes } from '../../../test/lanes/lanes.ts'
// @boundaries-ignore real servers are started for tests only, from one place
import { startSecrets, type SecretsServer } from '../../../test/lanes/secrets.ts'
import { secretsContract } from './secrets-contract.ts'

const credentials = { accessKeyId: 'test', secretAccessKey: 'test-secret' }
const region = 'us-east-1'

async function openAt(endpoint: string, prefix = 'muniment/'): Promise<SecretStore> {
  return await openSecrets({ kind: 'aws', prefix, endpoint, region, credentials })
}

describeLanes(['secrets'], 'secrets in Secrets Manager', () => {
  let server: SecretsServer
  beforeAll(async () => {
    server = await startSecrets()
  }, 60_000)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
  })

  secretsContract('aws', async () => await openAt(server.endpoint, 'contract/'))

  test('are never created on use, only by initialising, which overwrites none', async () => {
    await using secrets = await openAt(server.endpoint, 'init/')
    await using state = await openState({ kind: 'memory' })
    const keys = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 1000 })
    await expect(keys.ingestPublicKey()).rejects.toMatchObject({
      code: 'SECRET_MISSING',
      message: expect.stringContaining('init/ingest'),
      hint: expect.stringContaining('muniment keys init'),
    })
    const source = { now: Date.now, randomBytes }
    expect((await initSecrets(secrets, source)).every(({ isCreated }) => isCreated)).toBe(true)
    const root = await secrets.read('root')
    expect((await initSecrets(secrets, source)).some(({ isCreated }) => isCreated)).toBe(false)
    expect(await secrets.read('root')).toBe(root)
    expect(await keys.ingestPublicKey()).toMatch(/^1-[0-9a-f]{8}\./u)
  })

  test('turn over and are destroyed within one secret, and no stage keeps what was destroyed', async () => {
    await using secrets = await openAt(server.endpoint, 'retire/')
    await using state = await openState({ kind: 'memory' })
    let nowMs = Date.now()
    const keys = openKeys({ secrets, state, now: () => nowMs, randomBytes, cacheTtlMs: 1000 })
    await initSecrets(secrets, { now: () => nowMs, randomBytes })
    const [kid = ''] = (await keys.ingestPublicKey()).split('.')
    await keys.admin.rotate('ingest')
    nowMs += 60_000
    await keys.admin.retire('ingest', kid)
    expect(await secrets.read('ingest')).not.toContain(kid)
    const client = new SecretsManagerClient({ endpoint: server.endpoint, region, credentials })
    const previous = new GetSecretValueCommand({ SecretId: 'retire/ingest', VersionStage: 'AWSPREVIOUS' })
    const text = await client.send(previous).then(
      ({ SecretString }) => SecretString,
      (error: unknown) => (error instanceof Error ? error.name : ''),
    )
    client.destroy()
    expect(text).toBe('ResourceNotFoundException')
  })

  test('are read at their current stage, and a new generation is found without waiting for the cache', async () => {
    await using secrets = await openAt(server.endpoint, 'turn/')
    await using state = await openState({ kind: 'memory' })
    let nowMs = Date.now()
    const keys = openKeys({ secrets, state, now: () => nowMs, randomBytes, cacheTtlMs: 3_600_000 })
    await initSecrets(secrets, { now: () => nowMs, randomBytes })
    await keys.require(['ingest'])
    const added = {
      id: 'added',
      active_from: new Date(nowMs + 3_600_000).toISOString(),
      key: randomBytes(32).toString('base64url'),
    }
    const text: { generations: unknown[] } = JSON.parse(await secrets.read('ingest'))
    const client = new SecretsManagerClient({ endpoint: server.endpoint, region, credentials })
    const SecretString = JSON.stringify({ ...text, generations: [...text.generations, added] })
    await client.send(new PutSecretValueCommand({ SecretId: 'turn/ingest', SecretString }))
    client.destroy()
    nowMs += 10_000
    // Not "no such key" but "does not open": the generation was found.
    await expect(keys.unseal('added', Buffer.alloc(64, 9), Buffer.of())).rejects.toMatchObject({
      message: expect.stringContaining('does not open with the ingest key added'),
    })
  })
})

/** A server of the protocol that answers every call with one error. */
async function failingServer(
  type: string,
): Promise<{ readonly endpoint: string; readonly calls: () => number }> {
  let calls = 0
  const server = createServer((_request, response) => {
    calls += 1
    response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(JSON.stringify({ __type: type, message: 'planted-reason' }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { endpoint: `http://127.0.0.1:${port}`, calls: () => calls }
}

describe('a secret in Secrets Manager', () => {
  test.each([
    ['ResourceNotFoundException', 'SECRET_MISSING', 'secretsmanager:CreateSecret'],
    ['InvalidRequestException', 'SECRET_MISSING', 'muniment/root'],
    ['AccessDeniedException', 'SECRET_DENIED', 'secretsmanager:GetSecretValue on muniment/root'],
    ['DecryptionFailure', 'SECRET_DENIED', 'kms:Decrypt'],
    ['UnrecognizedClientException', 'SECRET_DENIED', 'AWS credentials'],
    ['ExpiredTokenException', 'SECRET_DENIED', 'AWS credentials'],
  ])('that meets %s is %s at once, naming secret and permission', async (type, code, hint) => {
    const { endpoint, calls } = await failingServer(type)
    await using secrets = await openAt(endpoint)
    await expect(secrets.read('root')).rejects.toMatchObject({
      code,
      message: expect.stringContaining('muniment/root'),
      hint: expect.stringContaining(hint),
      details: { secret: 'muniment/root', reason: type },
    })
    expect(calls()).toBe(1)
  })

  test('that may not be created names that permission', async () => {
    const { endpoint } = await failingServer('AccessDeniedException')
    await using secrets = await openAt(endpoint)
    await expect(secrets.create('log', 'x')).rejects.toMatchObject({
      code: 'SECRET_DENIED',
      hint: expect.stringContaining('secretsmanager:CreateSecret on muniment/log'),
    })
  })

  test.each(['ThrottlingException', 'InternalServiceError'])(
    'that meets %s is tried again, then DEPENDENCY_UNREACHABLE',
    async type => {
      const { endpoint, calls } = await failingServer(type)
      await using secrets = await openAt(endpoint)
      await expect(secrets.read('root')).rejects.toMatchObject({
        code: 'DEPENDENCY_UNREACHABLE',
        message: expect.stringContaining(type),
      })
      expect(calls()).toBeGreaterThanOrEqual(1)
    },
    20_000,
  )

  test('of a server that is not there is DEPENDENCY_UNREACHABLE', async () => {
    await using secrets = await openAt('http://127.0.0.1:9')
    await expect(secrets.read('root')).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  }, 20_000)

  test('keeps its keys in use while it cannot be reached after they were read', async () => {
    await using state = await openState({ kind: 'memory' })
    const memory = await openSecrets({ kind: 'memory' })
    await initSecrets(memory, { now: Date.now, randomBytes })
    await using away = await openAt('http://127.0.0.1:9')
    let nowMs = Date.now()
    let isAway = false
    const secrets: SecretStore = { ...memory, read: async name => await (isAway ? away : memory).read(name) }
    const keys = openKeys({ secrets, state, now: () => nowMs, randomBytes, cacheTtlMs: 1000 })
    const before = await keys.ingestPublicKey()
    isAway = true
    nowMs += 10_000
    expect(await keys.ingestPublicKey()).toBe(before)
    await expect(keys.digestKey('acme')).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  }, 20_000)
})
