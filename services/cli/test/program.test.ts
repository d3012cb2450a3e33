import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commands } from '../src/commands/index.ts'
import { muniment } from './io.ts'

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-cli-'))
})
afterAll(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

const env = (): Record<string, string> => ({ MUNIMENT_HOME: home })

describe('help', () => {
  test.each(commands.map(({ name }) => name))('%s --help has a usage line and an example', async name => {
    const { exitCode, stdout } = await muniment([name, '--help'])
    expect(exitCode).toBe(0)
    expect(stdout).toContain(`Usage: muniment ${name}`)
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain('muniment ')
  })

  test('no arguments print the help and are a usage error', async () => {
    const { exitCode, stdout } = await muniment([])
    expect(exitCode).toBe(2)
    expect(stdout).toContain('Commands:')
  })
})

describe('mistakes', () => {
  test.each([
    ['a command that is not there', ['verfiy'], '(Did you mean verify?)'],
    ['an option that is not there', ['tail', '--folow'], 'unknown option'],
    ['a duration without a unit', ['query', '--since', '2'], '30s, 15m, 2h or 7d'],
    ['a worker that is not there', ['run', 'maskr'], 'There is no worker "maskr"'],
    ['an action that is not there', ['dlq', 'purge'], 'list or replay'],
    ['a policy without its section', ['mask', '--policy', 'infra/settings.md'], 'muniment.yaml'],
    ['nothing that pii does', ['pii', 'tset', 'x'], 'is not something pii does'],
    ['more rows than a query gives', ['query', '-n', '2000000'], 'at most 1000000 rows'],
    ['SQL with filters', ['query', 'select 1', '--tool', 'x'], '--tool does not go with SQL'],
    ['a shell that is not there', ['completion', 'tcsh'], 'No completion for "tcsh"'],
    ['prove without anything to prove', ['prove'], 'Give the id of a record, or --lane'],
    ['a lane without an end', ['prove', '--lane', 'a/0'], 'Say up to which number'],
    ['a proof that is not there', ['verify', '--proof', 'none.proof'], 'none.proof cannot be read'],
    ['wrap without a command', ['wrap'], 'muniment wrap --help shows how it is used'],
    [
      'an upstream without http://',
      ['proxy', '--upstream', 'localhost:1'],
      '"localhost:1" is not an upstream',
    ],
  ])('%s is named, with exit code 2', async (_, args, message) => {
    const { exitCode, stderr } = await muniment(args, { env: env() })
    expect(stderr).toContain(message)
    expect(exitCode).toBe(2)
  })

  test.each([
    ['an unknown setting', { MUNIMENT_STROE: 'file:' }, 'MUNIMENT_STROE'],
    ['a setting that cannot be meant', { MUNIMENT_BUS: 'kafka:/oops' }, 'MUNIMENT_BUS'],
    [
      'the archive bucket for state',
      { MUNIMENT_STORE: 's3://one/a', MUNIMENT_STATE: 's3://one/b' },
      'MUNIMENT_STATE',
    ],
  ])('%s stops every command with its name and exit code 2', async (_, change, name) => {
    const { exitCode, stderr } = await muniment(['verify'], { env: { ...env(), ...change } })
    expect(stderr).toContain(name)
    expect(stderr).toContain('CONFIG_INVALID')
    expect(exitCode).toBe(2)
  })
})

describe('mask', () => {
  const input = '{"note":"write to ada.lovelace@example.com","n":1.0}'

  test('masks standard input to standard output and leaves the rest byte for byte', async () => {
    const { exitCode, stdout } = await muniment(['mask'], { input })
    expect(stdout).toBe('{"note":"write to [EMAIL]","n":1.0}')
    expect(exitCode).toBe(0)
  })

  test('--fail-on-find exits 1, --report tells what, neither tells the value', async () => {
    const { exitCode, stderr } = await muniment(['mask', '--fail-on-find', '--report'], { input })
    expect(exitCode).toBe(1)
    expect(stderr).toContain('EMAIL ×1 at note')
    expect(stderr).not.toContain('lovelace')
  })

  test('--json prints findings instead of the text', async () => {
    const { stdout } = await muniment(['mask', '--json'], { input })
    expect(JSON.parse(stdout)).toMatchObject({ findings: [{ type: 'EMAIL', path: 'note', count: 1 }] })
  })
})

const own = (): Record<string, string> => ({ MUNIMENT_HOME: join(home, 'policy') })

async function fileOf(name: string, content: string): Promise<string> {
  const path = join(home, name)
  await writeFile(path, content)
  return path
}

async function policy(rules: string): Promise<string> {
  return fileOf('policy.yaml', `pii:\n${rules}`)
}

describe('a masking policy', () => {
  test('decides what mask does, tokens included', async () => {
    const path = await policy(
      '  rules:\n    - {types: [EMAIL], action: token}\n    - {types: [PHONE], action: keep}\n',
    )
    await muniment(['keys', 'init'], { env: own() })
    const input = 'ada@example.org, call +1 415 555 2671'
    const args = ['mask', '--policy', path]
    const { stdout } = await muniment(args, { env: own(), input })
    expect(stdout).toMatch(/^\[EMAIL:[a-z]{32}\], call \+1 415 555 2671$/u)
    expect((await muniment(args, { env: own(), input })).stdout).toBe(stdout)
    const other = await muniment(args, { env: { ...own(), MUNIMENT_TENANT: 'acme' }, input })
    expect(other.stdout).not.toBe(stdout)
  })

  test('--fail-on-find does not count what the policy keeps', async () => {
    const path = await policy('  rules:\n    - {types: [EMAIL], action: keep}\n')
    const args = ['mask', '--fail-on-find', '--policy', path]
    expect((await muniment(args, { input: 'ada@example.org' })).exitCode).toBe(0)
    expect((await muniment(args, { input: '+1 415 555 2671' })).exitCode).toBe(1)
  })

  test('is tried on examples, each hit in its place', async () => {
    const path = await policy("  kinds: {BADGE: {pattern: 'B-[0-9]{4}'}}\n")
    const examples = await fileOf(
      'examples.txt',
      'see B-1234 of ada@example.org\n\n{"text":"B-12345","masked":"B-12345"}\n{"text":"B-1234","masked":"B-1234"}\n',
    )
    const { exitCode, stdout, stderr } = await muniment(['pii', 'test', examples, '--policy', path])
    expect(stdout).toContain('1  see {B-1234 → [BADGE]} of {ada@example.org → [EMAIL]}')
    expect(stdout).toContain('4  {B-1234 → [BADGE]}\n      ✘ should become B-1234')
    expect(stderr).toContain('3 examples, 1 not as they should be.')
    expect(exitCode).toBe(1)
  })

  test.each([
    ['  rules:\n    - {action: keep}\n', 'pii in muniment.yaml (line 1) would mask nothing'],
    ['  rules:\n    - {type: [EMAIL], action: keep}\n', 'Did you mean types?'],
    [
      '  rules:\n    - {types: [EMIAL], action: keep}\n',
      'pii.rules[0].types[0] in muniment.yaml (line 3) is no kind',
    ],
    [
      "  kinds:\n    BADGE:\n      pattern: '(a)b\\1c'\n",
      'pii.kinds.BADGE.pattern in muniment.yaml (line 4) refers back',
    ],
    ['  min_score: 0.9\n', 'pii.min_score in muniment.yaml (line 2) must lie between'],
  ])('that cannot be used is refused by line: %j', async (rules, message) => {
    const { exitCode, stderr } = await muniment(['mask', '--policy', await policy(rules)])
    expect(stderr).toContain(message)
    expect(exitCode).toBe(2)
  })
})

describe('on a new home', () => {
  test('keys init creates every secret once and prints the public key', async () => {
    const first = await muniment(['keys', 'init', '--json'], { env: env() })
    const results = first.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(results.slice(0, -1).every(({ isCreated }) => isCreated === true)).toBe(true)
    expect(results.at(-1)).toEqual({ ingest_key: expect.stringMatching(/^[\w-]+\.[\w-]{43}$/u) })
    const again = await muniment(['keys', 'init'], { env: env() })
    expect(again.stdout).not.toContain('created')
    expect(again.stdout).toContain('kept')
  })

  test('verify says that nothing is anchored, and finds nothing wrong', async () => {
    const { exitCode, stderr } = await muniment(['verify'], { env: env() })
    expect(stderr).toContain('Not anchored')
    expect(exitCode).toBe(0)
  })

  test('show says that there is no such event', async () => {
    const { exitCode, stderr } = await muniment(['show', '01a1fd6e-3a59-72f4-a250-f9a7a24357e4'], {
      env: env(),
    })
    expect(stderr).toContain('NOT_FOUND')
    expect(exitCode).toBe(1)
  })

  test('query counts nothing, in every format', async () => {
    const sql = 'select count(*) as n from events'
    const run = async (...more: string[]): Promise<string> =>
      (await muniment(['query', sql, ...more], { env: env() })).stdout
    expect(await run('--json')).toBe('{"n":0}\n')
    expect(await run('--format', 'csv')).toBe('n\n0\n')
    expect(await run()).toBe('n\n─\n0\n')
  })

  test('doctor tests everything and lists every setting', async () => {
    const { exitCode, stdout } = await muniment(['doctor', '--json'], { env: env() })
    const checks = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(checks.map(({ check, isFine }) => [check, isFine])).toEqual(
      ['home', 'spool', 'secrets', 'bus', 'store'].map(check => [check, true]),
    )
    expect(exitCode).toBe(0)
    const settings = await muniment(['doctor', '--settings'], { env: { ...env(), MUNIMENT_TENANT: 'acme' } })
    expect(settings.stdout).toContain('acme')
    expect(settings.stdout).toContain('pii: in muniment.yaml')
  })
})

test('the completion of bash names every command', async () => {
  const { stdout } = await muniment(['completion', 'bash'])
  for (const { name } of commands) expect(stdout).toContain(name)
})
