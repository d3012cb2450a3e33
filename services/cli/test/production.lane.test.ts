import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '@muniment/runtime'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkProduction } from '../src/production/check.ts'
import type { Facts, Finding } from '../src/production/finding.ts'
import { muniment } from './io.ts'

const dayMs = 86_400_000
const openssl = 'openssl'
// Later than the certificates, which are made after this.
const nowMs = Date.now() + 3_600_000
const uid = process.getuid?.() ?? 1000
const goodSecret = randomBytes(36).toString('base64')
let folder = ''
const at = (name: string): string => join(folder, name)

function file(name: string, mode: number): string {
  writeFileSync(at(name), 'a line\n')
  chmodSync(at(name), mode)
  return at(name)
}

function certificate(name: string, ...key: string[]): void {
  const [keyout, out] = [at(`${name}.key`), at(`${name}.pem`)]
  const args = ['req', '-x509', '-newkey', ...key, '-nodes', '-keyout', keyout, '-out', out]
  execFileSync(openssl, [...args, '-days', '90', '-subj', '/CN=localhost'], { stdio: 'ignore' })
  chmodSync(keyout, 0o600)
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'muniment-production-'))
  chmodSync(folder, 0o700)
  for (const name of ['good', 'other']) certificate(name, 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256')
  certificate('weak', 'rsa:1024')
  mkdirSync(at('open'))
  chmodSync(at('open'), 0o777)
})
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))

/** Settings with nothing left to say. */
const settled = (): Record<string, string> => ({
  MUNIMENT_HOME: at('home'),
  MUNIMENT_BUS: 'kafka://broker:9092',
  MUNIMENT_KAFKA_TLS: 'true',
  MUNIMENT_STORE: 's3://evidence/a',
  MUNIMENT_SECRETS: 'aws:',
  MUNIMENT_TENANT: 'acme',
  MUNIMENT_LOG_NAME: 'acme.example/log',
  MUNIMENT_WITNESS_POLICY_FILE: at('witnesses'),
  MASK_PII_BEFORE_LLM: 'true',
  MCP_AUTH_SECRET: goodSecret,
  MCP_LOG_LEVEL: 'info',
  MCP_LOG_FILE: at('mcp.log'),
  MCP_ALLOWED_ORIGINS: 'https://app.example.com',
  MCP_TLS_CERT: at('good.pem'),
  MCP_TLS_KEY: at('good.key'),
})

function check(
  change: Record<string, string | undefined> = {},
  facts: Partial<Facts> = {},
): readonly Finding[] {
  const env: Record<string, string | undefined> = { ...settled(), ...change }
  // What the configuration refuses by itself is looked at without one.
  const yaml = 'auth: {}\nguard: { authorise: rules.yaml, limit: {}, validate: {}, errors: {}, sessions: {} }'
  const { MCP_ALLOWED_ORIGINS: _, MCP_TLS_CERT: _1, MCP_TLS_KEY: _2, ...rest } = env
  return checkProduction({
    env,
    config: readConfig({ env: rest, yaml }),
    starting: 'all',
    nowMs,
    umask: 0o077,
    uid: 1000,
    ...facts,
  })
}

const level = (findings: readonly Finding[], name: string): string[] =>
  findings.filter(({ check: each }) => each === name).map(each => each.level)

test('a set-up in which all is as it should be has nothing to mend and nothing to say', () => {
  expect(check({}, { uid }).filter(each => each.level !== 'fine' && each.check !== 'user')).toEqual([])
})

describe('must be mended', () => {
  test.each<[string, string, () => Record<string, string | undefined>, Partial<Facts>?]>([
    ['a short secret', 'MCP_AUTH_SECRET', () => ({ MCP_AUTH_SECRET: goodSecret.slice(0, 31) })],
    ['one letter again and again', 'MCP_AUTH_SECRET', () => ({ MCP_AUTH_SECRET: 'a'.repeat(64) })],
    ['a few letters again and again', 'MCP_AUTH_SECRET', () => ({ MCP_AUTH_SECRET: 'hW9x!k'.repeat(12) })],
    [
      'letters in their order',
      'MCP_AUTH_SECRET',
      () => ({ MCP_AUTH_SECRET: 'abcdefghijklmnopqrstuvwxyz0123456789' }),
    ],
    [
      'words from an example',
      'MCP_AUTH_SECRET',
      () => ({ MCP_AUTH_SECRET: 'change-me-please-your-secret-here' }),
    ],
    ['a level that tells payloads', 'MCP_LOG_LEVEL', () => ({ MCP_LOG_LEVEL: 'DEBUG' })],
    ['a level that is none', 'MCP_LOG_LEVEL', () => ({ MCP_LOG_LEVEL: 'off' })],
    [
      'a log that others can read',
      'MCP_LOG_FILE',
      () => ({ MCP_LOG_FILE: file('read.log', 0o644) }),
      { uid },
    ],
    [
      'a log of somebody else',
      'MCP_LOG_FILE',
      () => ({ MCP_LOG_FILE: file('theirs.log', 0o600) }),
      { uid: uid + 1 },
    ],
    ['a log in a folder of everybody', 'MCP_LOG_FILE', () => ({ MCP_LOG_FILE: at('open/mcp.log') }), { uid }],
    ['a log in no folder', 'MCP_LOG_FILE', () => ({ MCP_LOG_FILE: at('none/mcp.log') })],
    ['a log by a relative path', 'MCP_LOG_FILE', () => ({ MCP_LOG_FILE: 'mcp.log' })],
    ['any origin', 'MCP_ALLOWED_ORIGINS', () => ({ MCP_ALLOWED_ORIGINS: 'https://a.example,*' })],
    [
      'any name under an origin',
      'MCP_ALLOWED_ORIGINS',
      () => ({ MCP_ALLOWED_ORIGINS: 'https://*.example.com' }),
    ],
    [
      'an origin without TLS',
      'MCP_ALLOWED_ORIGINS',
      () => ({ MCP_ALLOWED_ORIGINS: 'http://app.example.com' }),
    ],
    ['the origin of sandboxed pages', 'MCP_ALLOWED_ORIGINS', () => ({ MCP_ALLOWED_ORIGINS: 'null' })],
    ['a certificate that is not there', 'MCP_TLS_CERT', () => ({ MCP_TLS_CERT: at('none.pem') })],
    ['a certificate without its key', 'MCP_TLS_CERT', () => ({ MCP_TLS_KEY: undefined })],
    ['an expired certificate', 'MCP_TLS_CERT', () => ({}), { nowMs: nowMs + 91 * dayMs }],
    ['one that expires within a week', 'MCP_TLS_CERT', () => ({}), { nowMs: nowMs + 85 * dayMs }],
    ['one from the future', 'MCP_TLS_CERT', () => ({}), { nowMs: nowMs - dayMs }],
    [
      'one with a short RSA key',
      'MCP_TLS_CERT',
      () => ({ MCP_TLS_CERT: at('weak.pem'), MCP_TLS_KEY: at('weak.key') }),
    ],
    ['the key of another', 'MCP_TLS_KEY', () => ({ MCP_TLS_KEY: at('other.key') })],
    ['a certificate for a key', 'MCP_TLS_KEY', () => ({ MCP_TLS_KEY: at('good.pem') })],
    ['a home that others can read', 'MUNIMENT_HOME', () => ({ MUNIMENT_HOME: at('open') }), { uid }],
    ['a mask that lets others read', 'umask', () => ({}), { umask: 0o022 }],
    ['root', 'user', () => ({}), { uid: 0 }],
    [
      'the bus as it came',
      'MUNIMENT_BUS',
      () => ({ MUNIMENT_BUS: undefined, MUNIMENT_KAFKA_TLS: undefined }),
    ],
    ['the store as it came', 'MUNIMENT_STORE', () => ({ MUNIMENT_STORE: undefined })],
    ['secrets in files unasked', 'MUNIMENT_SECRETS', () => ({ MUNIMENT_SECRETS: undefined })],
    ['the tenant as it came', 'MUNIMENT_TENANT', () => ({ MUNIMENT_TENANT: undefined })],
    ['the name of the log as it came', 'MUNIMENT_LOG_NAME', () => ({ MUNIMENT_LOG_NAME: undefined })],
    ['an archive that forgets', 'MUNIMENT_STORE_UNSAFE', () => ({ MUNIMENT_STORE_UNSAFE: 'true' })],
    ['personal data in logs', 'MASK_PII_IN_LOGS', () => ({ MASK_PII_IN_LOGS: 'false' })],
    ['no log at all', 'MUNIMENT_LOG_LEVEL', () => ({ MUNIMENT_LOG_LEVEL: 'silent' })],
  ])('%s', (...[, name, change, facts]) => {
    const findings = check(change(), facts)
    expect(level(findings, name)).toEqual(['must'])
    for (const { level: each, hint } of findings) expect(hint !== undefined).toBe(each !== 'fine')
  })

  test('a log that is a link', () => {
    symlinkSync(file('real.log', 0o600), at('link.log'))
    expect(level(check({ MCP_LOG_FILE: at('link.log') }, { uid }), 'MCP_LOG_FILE')).toEqual(['must'])
  })

  test('a key that others can read', () => {
    chmodSync(at('other.key'), 0o640)
    const own = { MCP_TLS_CERT: at('other.pem'), MCP_TLS_KEY: at('other.key') }
    expect(level(check(own, { uid }), 'MCP_TLS_KEY')).toEqual(['must'])
  })
})

test('parts of the guard that are off are said', () => {
  const config = readConfig({ env: {} })
  const findings = check({}, { config })
  const off = [
    'auth',
    'MASK_PII_BEFORE_LLM',
    'guard.authorise',
    'guard.limit',
    'guard.validate',
    'guard.errors',
  ]
  for (const name of off) expect(level(findings, name)).toEqual(['should'])
})

test('masking that the section pii asks for needs no setting', () => {
  const config = readConfig({ env: {}, yaml: 'pii: { before_llm: true }' })
  expect(level(check({}, { config }), 'MASK_PII_BEFORE_LLM')).toEqual(['fine'])
})

test('a default that somebody chose is no default left in place', () => {
  const chosen = {
    MUNIMENT_BUS: 'embedded:',
    MUNIMENT_KAFKA_TLS: undefined,
    MUNIMENT_STORE: 'file:',
    MUNIMENT_TENANT: 'default',
  }
  const findings = check(chosen)
  for (const name of ['MUNIMENT_BUS', 'MUNIMENT_STORE', 'MUNIMENT_TENANT'])
    expect(level(findings, name)).toEqual(['fine'])
})

test('what comes soon is said, and stops nothing', () => {
  expect(level(check({}, { nowMs: nowMs + 70 * dayMs }), 'MCP_TLS_CERT')).toEqual(['should'])
  expect(level(check({ MCP_AUTH_SECRET: undefined }), 'MCP_AUTH_SECRET')).toEqual(['should'])
})

test.each([16, 32, 48])('a secret of %i random bytes passes, as hexadecimal and as base64', size => {
  for (let n = 0; n < 20; n++) {
    for (const MCP_AUTH_SECRET of [
      randomBytes(size).toString('hex'),
      randomBytes(Math.max(24, size)).toString('base64'),
    ])
      expect(level(check({ MCP_AUTH_SECRET }), 'MCP_AUTH_SECRET')).toEqual(['fine'])
  }
})

describe('the command line', () => {
  const weakSecret = 'hunter2-hunter2-hunter2'

  test('doctor --production exits 1, tells every finding with what to do, and no secret', async () => {
    const env = {
      ...settled(),
      MCP_AUTH_SECRET: weakSecret,
      MCP_ALLOWED_ORIGINS: '*',
      MUNIMENT_WEBHOOK_SECRET: goodSecret,
    }
    const { exitCode, stdout, stderr } = await muniment(['doctor', '--production', '--json'], { env })
    expect(exitCode).toBe(1)
    const findings = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(level(findings, 'settings')).toEqual(['must'])
    expect(level(findings, 'MCP_AUTH_SECRET')).toEqual(['must'])
    expect(`${stdout}${stderr}`).not.toContain('hunter2')
    expect(`${stdout}${stderr}`).not.toContain(goodSecret)
  })

  test.each([
    ['run', ['run', 'masker']],
    ['up', ['up']],
    ['proxy', ['proxy', '--upstream', 'http://127.0.0.1:9/mcp']],
  ])('%s does not start in production where something must be mended', async (_, args) => {
    const env = { MUNIMENT_ENV: 'production', MUNIMENT_HOME: at('never') }
    const { exitCode, stderr } = await muniment(args, { env })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('MUNIMENT_TENANT is not set')
    expect(stderr).toContain('doctor --production')
  })

  test('a word for the environment that is none stops the start', async () => {
    const { exitCode, stderr } = await muniment(['up'], { env: { MUNIMENT_ENV: 'prod' } })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('MUNIMENT_ENV')
  })
})
