import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCutWriter, openArchive, openStore, type CommittedManifest } from '@muniment/archive'
import { openBus } from '@muniment/bus'
import { createControlVerifier, openKeys, openSecrets, type Keys } from '@muniment/keys'
import { decisionSchema, topic, type Decision } from '@muniment/schema'
import { openState } from '@muniment/state'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { takeActs } from './acts.ts'
import { muniment, type Ran } from './io.ts'

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-keys-'))
  await keys('init')
})
afterAll(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

async function keys(...args: string[]): Promise<Ran> {
  return await muniment(['keys', ...args], { env: { MUNIMENT_HOME: home } })
}

function lines({ stdout }: Ran): readonly Record<string, unknown>[] {
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

async function statusOf(secret: string): Promise<readonly Record<string, unknown>[]> {
  return lines(await keys('status', '--json')).filter(each => each['secret'] === secret)
}

async function openHome(): Promise<Keys> {
  const secrets = await openSecrets({ kind: 'file', dir: join(home, 'secrets') })
  const state = await openState({ kind: 'file', dir: join(home, 'state') })
  return openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 1000, logName: 'test' })
}

/** Archives one event of each tenant. */
async function archive(...tenants: string[]): Promise<CommittedManifest> {
  const { segmentKeys } = await openHome()
  await using store = await openStore({ kind: 'file', directory: join(home, 'archive') })
  const previous = await openArchive({ store, keys: segmentKeys }).newest(topic.events, 0)
  const first = previous?.manifest.next_offset ?? 0
  const records = tenants.map((tenant, at) => ({
    offset: first + at,
    appendedMs: Date.now(),
    value: Buffer.from(JSON.stringify({ id: crypto.randomUUID(), tenant, time: new Date().toISOString() })),
  }))
  const cuts = createCutWriter({ store, keys: segmentKeys, now: Date.now, randomBytes })
  const nextOffset = first + records.length
  return (await cuts.write({ topic: topic.events, partition: 0, records, nextOffset, previous })).manifest
}

describe('keys rotate', () => {
  test('adds a generation that waits, and says what to do then; asked again it makes no other', async () => {
    const { stdout, stderr } = await keys('rotate', 'root')
    expect(stdout).toMatch(/^added\s+root 2-[0-9a-f]{8}, active from /u)
    expect(stderr).toContain('muniment keys rewrap')
    expect((await keys('rotate', 'root')).stdout).toMatch(/^waiting/u)
    expect(await statusOf('root')).toMatchObject([{ state: 'active' }, { state: 'pending' }])
  })

  test('of a tenant makes a new key for it at once', async () => {
    await archive('acme')
    const { stdout } = await keys('rotate', '--tenant', 'acme')
    expect(stdout).toMatch(/^tenant acme\s+2-/u)
    const { stdout: shown } = await keys('status')
    expect(shown).toMatch(/tenant acme\s+1-[0-9a-f]{8}\s+former/u)
    expect(shown).toMatch(/tenant acme\s+2-[0-9a-f]{8}\s+active/u)
  })

  test.each([
    ['a secret that is none', ['rotate', 'roots'], '"roots" is no secret'],
    ['no secret', ['rotate'], '<secret> is missing'],
    ['an action that is none', ['turn'], '"turn" is not something keys does'],
  ])('%s is named', async (_, args, message) => {
    const { exitCode, stderr } = await keys(...args)
    expect(stderr).toContain(message)
    expect(exitCode).toBe(2)
  })

  test('is recorded before and after, by whom, without a key', async () => {
    await takeActs(home)
    await keys('rotate', 'log')
    const acts = await takeActs(home)
    expect(acts).toMatchObject([
      {
        tenant: 'muniment.admin',
        method: 'muniment/keys.rotate',
        target: 'log',
        principal: { method: 'os_user' },
        details: { phase: 'begun' },
      },
      { method: 'muniment/keys.rotate', details: { phase: 'done', id: expect.stringMatching(/^2-/u) } },
    ])
  })
})

describe('keys retire', () => {
  test('refuses while segments need the generation, and says which', async () => {
    const { manifest } = await archive('beta')
    await keys('rotate', '--tenant', 'beta')
    const generation = manifest.segments[0]?.key_generation ?? ''
    const { exitCode, stderr } = await keys('retire', generation, '--tenant', 'beta')
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`is still needed by ${manifest.objects[0]?.key}`)
    expect(stderr).toContain('KEY_IN_USE')
  })

  test('refuses the newest, and one that processes may still use', async () => {
    const [log] = await statusOf('control')
    const refused = await keys('retire', 'control', String(log?.['generation']))
    expect(refused.stderr).toContain('is the newest')
    expect(refused.exitCode).toBe(1)
    const [former, pending] = await statusOf('root')
    expect((await keys('retire', 'root', String(pending?.['generation']))).exitCode).toBe(1)
    expect((await keys('retire', 'root', String(former?.['generation']))).stderr).toContain(
      'may be in use until',
    )
  })

  test('a refusal is recorded too', async () => {
    await takeActs(home)
    await keys('retire', 'ingest', 'none')
    expect(await takeActs(home)).toMatchObject([
      { details: { phase: 'begun' } },
      { outcome: 'rpc_error', details: { phase: 'failed', code: 'NOT_FOUND' } },
    ])
  })
})

describe('keys announce', () => {
  test('publishes the key on mcp.control, signed, once', async () => {
    expect((await keys('announce')).stdout).toMatch(/^announced/u)
    expect((await keys('announce')).stdout).toMatch(/^known/u)
    await using bus = await openBus({ kind: 'embedded', dir: join(home, 'bus'), topicPrefix: 'mcp.' })
    const decisions = []
    for await (const { value } of bus.read({
      topic: topic.control,
      untilEnd: true,
      signal: new AbortController().signal,
    }))
      decisions.push(decisionSchema.parse(JSON.parse(Buffer.from(value).toString())))
    const open = await openHome()
    expect(decisions).toMatchObject([
      {
        scope: 'ingest_key',
        value: '*',
        action: 'rotate',
        public_key: await open.ingestPublicKey(),
      },
    ])
    const verifier = createControlVerifier(await open.controlPublicKeys())
    expect(decisions.every(verifier.verify)).toBe(true)
  })
})

describe('keys data', () => {
  test('prints the key that opens a segment, only when asked for in so many words, and records it', async () => {
    const found = await archive('gamma')
    const { manifest } = found
    const key = manifest.objects[0]?.key ?? ''
    const cautious = await keys('data', key)
    expect(cautious.exitCode).toBe(2)
    expect(cautious.stdout).toBe('')
    await takeActs(home)
    const { stdout } = await keys('data', key, '--print')
    await using store = await openStore({ kind: 'file', directory: join(home, 'archive') })
    const [segment] = manifest.segments
    if (segment === undefined) throw new Error('no segment')
    const { segmentKeys } = await openHome()
    const expected = await openArchive({ store, keys: segmentKeys }).dataKey(found, segment)
    expect(stdout.trim()).toBe(expected.export().toString('hex'))
    const acts = await takeActs(home)
    expect(acts).toMatchObject([
      { method: 'muniment/keys.data', target: key },
      { details: { phase: 'done' } },
    ])
    expect(JSON.stringify(acts)).not.toContain(stdout.trim())
  })

  test('asks which tenant is meant where a bundle holds several', async () => {
    const { manifest } = await archive('delta', 'epsilon')
    const key = manifest.objects[0]?.key ?? ''
    expect((await keys('data', key, '--print')).stderr).toContain('say which with --tenant')
    expect((await keys('data', key, '--print', '--tenant', 'delta')).stdout).toMatch(/^[0-9a-f]{64}\n$/u)
    expect((await keys('data', 'seg/v1/none', '--print')).exitCode).toBe(1)
  })
})

test('keys end-sessions tells every guard, each time it is asked for, and is recorded', async () => {
  const told = async (): Promise<Decision | undefined> => {
    const { stdout } = await muniment(['decisions', '--json'], { env: { MUNIMENT_HOME: home } })
    const decisions = stdout
      .trim()
      .split('\n')
      .map((line): Decision => JSON.parse(line))
    return decisions.find(({ scope }) => scope === 'sessions')
  }
  expect((await keys('end-sessions')).stdout).toMatch(/^ended {2}every session begun before 2/u)
  const first = await told()
  expect(first).toMatchObject({ value: '*', action: 'end' })
  await keys('end-sessions')
  expect((await told())?.version).toBeGreaterThan(first?.version ?? Infinity)
  expect((await takeActs(home)).at(-1)).toMatchObject({
    method: 'muniment/sessions.end',
    details: { phase: 'done' },
  })
})

describe('keys api', () => {
  test('create shows a key once; list and the records show what it is for, and never the key', async () => {
    await takeActs(home)
    const made = await keys(
      'api',
      'create',
      'ci',
      '--scope',
      'mcp:read',
      '--scope',
      'mcp:write',
      '--expires',
      '90d',
    )
    const key = made.stdout.trim()
    expect(key).toMatch(/^mun_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/u)
    expect(made.stderr).toContain('only time')
    const listed = await keys('api', 'list', '--json')
    expect(lines(listed)).toMatchObject([
      { name: 'ci', tenant: 'default', scopes: ['mcp:read', 'mcp:write'], state: 'live', last_used: null },
    ])
    const acts = await takeActs(home)
    expect(acts).toMatchObject([
      { method: 'muniment/keys.api.create', target: 'ci', details: { phase: 'begun' } },
      { method: 'muniment/keys.api.create', target: 'ci', details: { phase: 'done', name: 'ci' } },
    ])
    const secret = key.slice(-43)
    for (const text of [listed.stdout, made.stderr, JSON.stringify(acts)]) expect(text).not.toContain(secret)
  })

  test('revoke ends a key, by its id, and is recorded', async () => {
    const [made] = lines(await keys('api', 'create', 'old', '--json'))
    const id = String(made?.['id'])
    expect((await keys('api', 'revoke', id)).stdout).toContain(`revoked  ${id}  old`)
    expect(lines(await keys('api', 'list', '--json'))).toContainEqual(
      expect.objectContaining({ id, state: 'revoked' }),
    )
    expect((await takeActs(home)).at(-1)).toMatchObject({ method: 'muniment/keys.api.revoke', target: id })
  })

  test.each([
    ['an action that is none', ['api', 'make'], '"make" is not something keys api does'],
    ['no action', ['api'], 'create|list|revoke'],
    ['no name', ['api', 'create'], '<name> is missing'],
    ['a name that cannot be one', ['api', 'create', 'a b'], 'name'],
    ['an id that is none', ['api', 'revoke', 'abc'], 'not the id'],
    ['a key that is not there', ['api', 'revoke', `mun_${'0'.repeat(16)}_x`], 'no API key with this id'],
    ['an expiry that is none', ['api', 'create', 'x', '--expires', 'soon'], 'duration'],
  ])('%s is named', async (_, args, message) => {
    const { exitCode, stderr } = await keys(...args)
    expect(exitCode).toBeGreaterThan(0)
    expect(stderr).toContain(message)
  })
})
