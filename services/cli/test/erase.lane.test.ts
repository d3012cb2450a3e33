import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCutWriter, openArchive, openStore } from '@muniment/archive'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { isAppError, topic } from '@muniment/schema'
import { openState } from '@muniment/state'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { takeActs } from './acts.ts'
import { muniment, type Ran } from './io.ts'

const secretText = 'the quick brown fox'
const ids = {
  acme: '01a1fd6e-3a59-72f4-a250-f9a7a24357e4',
  beta: '01a1fd6e-3a59-72f4-a250-f9a7a24357e5',
}

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-erase-'))
  await run('keys', 'init')
})
afterEach(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

async function run(...args: string[]): Promise<Ran> {
  return await muniment(args, { env: { MUNIMENT_HOME: home } })
}

interface OpenHome {
  readonly keys: Keys
  readonly pass: (ms: number) => void
}

async function openHome(): Promise<OpenHome> {
  let nowMs = Date.now()
  const secrets = await openSecrets({ kind: 'file', dir: join(home, 'secrets') })
  const state = await openState({ kind: 'file', dir: join(home, 'state') })
  const keys = openKeys({ secrets, state, now: () => nowMs, randomBytes, cacheTtlMs: 60_000 })
  return { keys, pass: ms => (nowMs += ms) }
}

/** Archives one event of each tenant, and gives the object of the first. */
async function archive(keys: Keys): Promise<string> {
  await using store = await openStore({ kind: 'file', directory: join(home, 'archive') })
  const records = Object.entries(ids).map(([tenant, id], offset) => ({
    offset,
    appendedMs: Date.now(),
    value: Buffer.from(
      JSON.stringify({
        id,
        tenant,
        kind: 'call',
        time: '2026-11-20T08:00:00.000Z',
        request: { body: secretText },
      }),
    ),
  }))
  const cuts = createCutWriter({
    store,
    keys: keys.segmentKeys,
    now: Date.now,
    randomBytes,
    ownObjectRows: 0,
  })
  const { manifest } = await cuts.write({
    topic: topic.events,
    partition: 0,
    records,
    nextOffset: records.length,
    previous: undefined,
  })
  return manifest.manifest.objects[0]?.key ?? ''
}

async function bytesUnder(folder: string): Promise<Buffer> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  const found = files
    .filter(file => file.isFile())
    .map(async file => readFile(join(file.parentPath, file.name)))
  return Buffer.concat(await Promise.all(found))
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  return await action.then(
    () => 'no error',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  )
}

describe('erasing a tenant', () => {
  test('leaves nothing that opens its content: no command, no cache, no file; and everything else as it was', async () => {
    const { keys, pass } = await openHome()
    const object = await archive(keys)
    const sql = [
      'query',
      "select count(*) as n from events where request::varchar like '%fox%'",
      '--json',
      '--no-tail',
    ]
    expect((await run(...sql)).stdout).toBe('{"n":2}\n')
    expect((await run('erase', '--tenant', 'acme', '--yes')).exitCode).toBe(0)
    expect((await run(...sql)).stdout).toBe('{"n":1}\n')
    expect((await run('show', ids.acme)).stderr).toContain('NOT_FOUND')
    expect((await run('show', ids.beta)).stdout).toContain(secretText)
    expect((await run('keys', 'data', object, '--print')).stderr).toContain('KEY_UNKNOWN')
    await using store = await openStore({ kind: 'file', directory: join(home, 'archive') })
    const archived = openArchive({ store, keys: keys.segmentKeys })
    const found = await archived.manifestOf(object)
    const [segment] = found?.manifest.segments ?? []
    if (found === undefined || segment === undefined) throw new Error('no segment')
    pass(60_000)
    expect(await codeOf(archived.openSegment(found, segment))).toBe('KEY_UNKNOWN')
    expect((await bytesUnder(home)).includes(secretText)).toBe(false)
  })

  test('keeps every proof, and verify says what is erased', async () => {
    await archive((await openHome()).keys)
    await run('erase', '--tenant', 'acme', '--yes')
    const { exitCode, stderr } = await run('verify')
    expect(exitCode).toBe(0)
    expect(stderr).toContain('tenant acme is erased: 1 records, position proven')
  })

  test('leaves a receipt with the generations destroyed, which is no part of the tenant', async () => {
    const { keys } = await openHome()
    await archive(keys)
    const [key] = await keys.admin.tenants.list('acme')
    await takeActs(home)
    await run('erase', '--tenant', 'acme', '--reason', 'contract ended', '--yes')
    expect(await takeActs(home)).toMatchObject([
      {
        tenant: 'muniment.admin',
        method: 'muniment/erase.tenant',
        target: 'acme',
        details: { phase: 'begun' },
      },
      { details: { phase: 'done', reason: 'contract ended', generations: [key?.generation] } },
    ])
  })

  test('a copy of the state from before is useless once the old root is retired', async () => {
    const { keys, pass } = await openHome()
    await archive(keys)
    const backup = await mkdtemp(join(tmpdir(), 'muniment-backup-'))
    await cp(join(home, 'state'), backup, { recursive: true })
    const root = (await keys.admin.tenants.list('acme'))[0]?.root ?? ''
    await run('erase', '--tenant', 'acme', '--yes')
    await keys.admin.rotate('root')
    pass(200_000)
    await keys.admin.tenants.rewrap()
    await keys.admin.retire('root', root)
    await rm(join(home, 'state'), { recursive: true, maxRetries: 10 })
    await cp(backup, join(home, 'state'), { recursive: true })
    await rm(backup, { recursive: true, maxRetries: 10 })
    const asked = await run('query', 'select count(*) as n from events', '--json', '--no-tail')
    // Not taken for an erasure: nobody knows what else was brought back.
    expect(asked).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('KEY_WRONG') })
  })

  test.each([
    [2, '--tenant, or --subject', ['--yes']],
    [2, 'add --yes', ['--tenant', 'acme']],
    [2, 'holds the receipts', ['--tenant', 'muniment.admin', '--yes']],
    [1, 'has no key', ['--tenant', 'nobody', '--yes']],
    [2, 'KIND:VALUE', ['--subject', 'ada@example.com', '--yes']],
    [1, 'no such person', ['--subject', 'EMAIL:a@example.com', '--yes']],
  ])('exits with %i and says "%s" for %j', async (code, message, args) => {
    const { exitCode, stderr } = await run('erase', ...args)
    expect(stderr).toContain(message)
    expect(exitCode).toBe(code)
  })
})

describe('erasing a person', () => {
  test('removes the person from the vault however the value is written, and the receipt names the token alone', async () => {
    const { keys } = await openHome()
    const [token = '', other] = await keys.vault.tokens('default', [
      { kind: 'EMAIL', value: 'ada@example.com' },
      { kind: 'EMAIL', value: 'bob@example.com' },
    ])
    await takeActs(home)
    const { exitCode, stdout } = await muniment(['erase', '--subject', '-', '--yes'], {
      env: { MUNIMENT_HOME: home },
      input: 'EMAIL: Ada@Example.com\n',
    })
    expect([exitCode, stdout]).toEqual([0, `erased  EMAIL ${token}\n`])
    expect(await keys.vault.reveal('default', token)).toBeUndefined()
    expect(await keys.vault.find('default', { kind: 'EMAIL', value: 'bob@example.com' })).toBe(other)
    const acts = await takeActs(home)
    expect(acts).toMatchObject([
      { target: token },
      { target: token, details: { phase: 'done', tokens: [token] } },
    ])
    expect(JSON.stringify(acts).toLowerCase()).not.toContain('ada@example.com')
  })
})

describe('a legal hold', () => {
  test('blocks erasing a tenant and everybody in it, is recorded as denied, and ends', async () => {
    const { keys } = await openHome()
    await archive(keys)
    await keys.vault.tokens('acme', [{ kind: 'EMAIL', value: 'ada@example.com' }])
    const person = ['--tenant', 'acme', '--subject', 'EMAIL:ada@example.com']
    expect((await run('hold', 'set', '--tenant', 'acme')).stderr).toContain('Say why')
    expect((await run('hold', 'set', '--tenant', 'acme', '--reason', 'case 17')).stdout).toContain('held')
    await takeActs(home)
    for (const what of [['--tenant', 'acme'], person]) {
      const { exitCode, stderr } = await run('erase', ...what, '--yes')
      expect(stderr).toContain('case 17')
      expect(exitCode).toBe(1)
    }
    expect((await takeActs(home)).filter(({ outcome }) => outcome === 'denied')).toHaveLength(2)
    expect((await run('hold', 'list')).stdout).toContain('tenant acme  since')
    await run('hold', 'release', '--tenant', 'acme')
    expect((await run('hold', 'release', '--tenant', 'acme')).exitCode).toBe(1)
    await run('hold', 'set', ...person, '--reason', 'case 18')
    expect((await run('erase', '--tenant', 'acme', '--yes')).stderr).toContain('case 18')
    await run('hold', 'release', ...person)
    expect((await run('erase', ...person, '--yes')).exitCode).toBe(0)
    expect((await run('erase', '--tenant', 'acme', '--yes')).exitCode).toBe(0)
  })
})
