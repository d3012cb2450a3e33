import { resolve } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isAppError, type AppError } from '@muniment/schema'
import { listSettings, readConfig, settingsMarkdown, type Config } from '../src/index.ts'

const files: Readonly<Record<string, string>> = {
  '/run/ca.pem': 'CA',
  '/run/cert.pem': 'CERT',
  '/run/key.pem': 'KEY',
  '/run/password': 'file-planted\n',
  '/run/token': 'token-planted\n',
  '/run/hook': 'hook-planted-0123456789\n',
  '/run/short': 'short',
}

function readFile(path: string): string {
  const text = files[path]
  if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
  return text
}

function config(env: Readonly<Record<string, string>> = {}, yaml?: string): Config {
  return readConfig({ env, yaml, readFile })
}

function failure(env: Readonly<Record<string, string>>, yaml?: string): AppError {
  try {
    config(env, yaml)
  } catch (error) {
    if (isAppError(error, 'CONFIG_INVALID')) return error
    throw error
  }
  throw new Error('It was accepted.')
}

/** A configuration, or `CONFIG_INVALID`: nothing else may come of it. */
function answers(env: Readonly<Record<string, string>>, yaml?: string): boolean {
  try {
    return config(env, yaml).home !== ''
  } catch (error) {
    return isAppError(error, 'CONFIG_INVALID') && error.message !== '' && error.hint !== ''
  }
}

const kafka = { MUNIMENT_BUS: 'kafka://a:9092,b:9093' }

describe('the configuration', () => {
  test('without any setting is everything on this machine', () => {
    const home = resolve('./.muniment')
    expect(config()).toMatchObject({
      home,
      bus: { kind: 'embedded', dir: `${home}/bus`, topicPrefix: 'mcp.' },
      store: { kind: 'file', dir: `${home}/archive` },
      state: { kind: 'file', dir: `${home}/state` },
      secrets: { kind: 'file', dir: `${home}/secrets` },
      interceptor: { tenant: 'default', ingestKey: undefined },
      http: { host: '127.0.0.1', port: 0 },
      retention: { lockMode: 'compliance' },
      isUnsafeStoreAllowed: false,
      webhook: undefined,
    })
  })

  test('counts an empty variable as absent, and looks at no variable of others', () => {
    expect(config({ MUNIMENT_TENANT: '', PATH: '/bin', MUNIMENT_TEST_CACHE: '/x' })).toEqual(config())
  })

  test('takes the file, and the environment over it', () => {
    const yaml = 'tenant: acme\nhttp:\n  port: 8080\n  host: 0.0.0.0\ncut.max_events: 7\nlog_level:\n'
    const read = config({ MUNIMENT_HTTP_PORT: '9090' }, yaml)
    expect(read).toMatchObject({
      interceptor: { tenant: 'acme' },
      http: { port: 9090, host: '0.0.0.0' },
      cut: { maxEvents: 7 },
      logLevel: 'info',
    })
  })

  test('reads places on S3 and Secrets Manager', () => {
    const env = {
      MUNIMENT_STORE: 's3://acme-archive/audit/v1/',
      MUNIMENT_STATE: 's3://acme-state',
      MUNIMENT_SECRETS: 'aws:',
    }
    expect(config(env)).toMatchObject({
      store: { kind: 's3', bucket: 'acme-archive', prefix: 'audit/v1', forcePathStyle: false },
      state: { kind: 's3', bucket: 'acme-state', prefix: '' },
      secrets: { kind: 'aws', prefix: 'muniment/' },
    })
    const custom = config({
      ...env,
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000',
      MUNIMENT_SECRETS: 'aws:team/',
    })
    expect(custom).toMatchObject({
      store: { forcePathStyle: true },
      secrets: { kind: 'aws', prefix: 'team/' },
    })
  })

  test('reads Kafka with TLS and a password', () => {
    const env = {
      ...kafka,
      MUNIMENT_KAFKA_CA_FILE: '/run/ca.pem',
      MUNIMENT_KAFKA_CERT_FILE: '/run/cert.pem',
      MUNIMENT_KAFKA_KEY_FILE: '/run/key.pem',
      MUNIMENT_KAFKA_SERVERNAME: 'broker',
      MUNIMENT_KAFKA_SASL_MECHANISM: 'scram-sha-512',
      MUNIMENT_KAFKA_SASL_USERNAME: 'masker',
      MUNIMENT_KAFKA_SASL_PASSWORD_FILE: '/run/password',
    }
    expect(config(env).bus).toEqual({
      kind: 'kafka',
      brokers: ['a:9092', 'b:9093'],
      clientId: 'muniment',
      topicPrefix: 'mcp.',
      tls: { caPem: 'CA', certPem: 'CERT', keyPem: 'KEY', serverName: 'broker' },
      sasl: { mechanism: 'scram-sha-512', username: 'masker', password: 'file-planted' },
    })
  })

  test('reads the token anew for every connection', async () => {
    let token = 'one'
    const { bus } = readConfig({
      env: {
        ...kafka,
        MUNIMENT_KAFKA_SASL_MECHANISM: 'oauthbearer',
        MUNIMENT_KAFKA_OAUTH_TOKEN_FILE: '/run/token',
      },
      readFile: () => `${token}\n`,
    })
    if (bus.kind !== 'kafka' || bus.sasl?.mechanism !== 'oauthbearer') throw new Error('no token')
    expect(await bus.sasl.token()).toBe('one')
    token = 'two'
    expect(await bus.sasl.token()).toBe('two')
  })

  test('takes TLS without files, a collector and a webhook', () => {
    expect(config({ ...kafka, MUNIMENT_KAFKA_TLS: 'true' }).bus).toMatchObject({ tls: true })
    const device = { MUNIMENT_DEVICE: 'laptop-7', MUNIMENT_DEVICE_KEY: 'mun_x' }
    expect(config({ MUNIMENT_BUS: 'https://collect.example/v1', ...device }).bus).toEqual({
      kind: 'collector',
      url: 'https://collect.example/v1',
      device: { name: 'laptop-7', key: 'mun_x' },
    })
    const hook = {
      MUNIMENT_WEBHOOK_URL: 'https://hooks.example/a',
      MUNIMENT_WEBHOOK_SECRET_FILE: '/run/hook',
    }
    expect(config(hook).webhook).toEqual({
      url: 'https://hooks.example/a',
      secret: 'hook-planted-0123456789',
    })
  })
})

describe('a setting that is wrong stops the start with its name:', () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ['MUNIMENT_HTTP_PORT', { MUNIMENT_HTTP_PORT: 'http' }],
    ['MUNIMENT_HTTP_PORT', { MUNIMENT_HTTP_PORT: '65536' }],
    ['MUNIMENT_HTTP_PORT', { MUNIMENT_HTTP_PORT: '-1' }],
    ['MUNIMENT_HTTP_PORT', { MUNIMENT_HTTP_PORT: '1e3' }],
    ['MUNIMENT_TENANT', { MUNIMENT_TENANT: '../x' }],
    ['MUNIMENT_BUS', { MUNIMENT_BUS: 'amqp://x' }],
    ['MUNIMENT_BUS', { MUNIMENT_BUS: 'embedded:/x' }],
    ['MUNIMENT_BUS', { MUNIMENT_BUS: 'kafka://a' }],
    ['MUNIMENT_BUS', { MUNIMENT_BUS: 'kafka://user:pw@a:9092' }],
    ['MUNIMENT_BUS', { MUNIMENT_BUS: 'https://user:pw@host/' }],
    ['MUNIMENT_STORE', { MUNIMENT_STORE: 's3://UPPER/x' }],
    ['MUNIMENT_STORE', { MUNIMENT_STORE: 's3://bucket/a//b' }],
    ['MUNIMENT_STORE', { MUNIMENT_STORE: 'gs://bucket' }],
    ['MUNIMENT_STATE', { MUNIMENT_STATE: 'memory:' }],
    ['MUNIMENT_SECRETS', { MUNIMENT_SECRETS: 'vault:' }],
    ['MUNIMENT_LOCK_MODE', { MUNIMENT_LOCK_MODE: 'none' }],
    ['MUNIMENT_LOG_NAME', { MUNIMENT_LOG_NAME: 'a b' }],
    ['MUNIMENT_INGEST_KEY', { MUNIMENT_INGEST_KEY: 'k1.short' }],
    ['MUNIMENT_STORE_UNSAFE', { MUNIMENT_STORE_UNSAFE: 'yes' }],
    ['MUNIMENT_TOPIC_PREFIX', { MUNIMENT_TOPIC_PREFIX: 'a/b' }],
    // Contradictions.
    ['MUNIMENT_STATE', { MUNIMENT_STORE: 's3://same/a', MUNIMENT_STATE: 's3://same/b' }],
    ['MUNIMENT_STATE', { MUNIMENT_STORE: 'file:/same', MUNIMENT_STATE: 'file:/same' }],
    ['MUNIMENT_KAFKA_TLS', { MUNIMENT_KAFKA_TLS: 'true' }],
    ['MUNIMENT_KAFKA_SASL_USERNAME', { MUNIMENT_KAFKA_SASL_USERNAME: 'x' }],
    [
      'MUNIMENT_KAFKA_CA_FILE',
      { ...kafka, MUNIMENT_KAFKA_TLS: 'false', MUNIMENT_KAFKA_CA_FILE: '/run/ca.pem' },
    ],
    ['MUNIMENT_KAFKA_CA_FILE', { ...kafka, MUNIMENT_KAFKA_CA_FILE: '/run/none.pem' }],
    ['MUNIMENT_KAFKA_KEY_FILE', { ...kafka, MUNIMENT_KAFKA_CERT_FILE: '/run/cert.pem' }],
    ['MUNIMENT_KAFKA_CERT_FILE', { ...kafka, MUNIMENT_KAFKA_KEY_FILE: '/run/key.pem' }],
    ['MUNIMENT_KAFKA_SASL_USERNAME', { ...kafka, MUNIMENT_KAFKA_SASL_USERNAME: 'x' }],
    ['MUNIMENT_KAFKA_SASL_USERNAME', { ...kafka, MUNIMENT_KAFKA_SASL_MECHANISM: 'plain' }],
    [
      'MUNIMENT_KAFKA_SASL_PASSWORD_FILE',
      { ...kafka, MUNIMENT_KAFKA_SASL_MECHANISM: 'plain', MUNIMENT_KAFKA_SASL_USERNAME: 'x' },
    ],
    [
      'MUNIMENT_KAFKA_SASL_PASSWORD',
      {
        ...kafka,
        MUNIMENT_KAFKA_SASL_MECHANISM: 'plain',
        MUNIMENT_KAFKA_SASL_USERNAME: 'x',
        MUNIMENT_KAFKA_SASL_PASSWORD: 'pw-planted',
        MUNIMENT_KAFKA_SASL_PASSWORD_FILE: '/run/password',
      },
    ],
    ['MUNIMENT_KAFKA_OAUTH_TOKEN_FILE', { ...kafka, MUNIMENT_KAFKA_SASL_MECHANISM: 'oauthbearer' }],
    [
      'MUNIMENT_KAFKA_OAUTH_TOKEN_FILE',
      {
        ...kafka,
        MUNIMENT_KAFKA_SASL_MECHANISM: 'oauthbearer',
        MUNIMENT_KAFKA_OAUTH_TOKEN_FILE: '/run/none',
      },
    ],
    ['MUNIMENT_WEBHOOK_URL', { MUNIMENT_WEBHOOK_SECRET_FILE: '/run/hook' }],
    ['MUNIMENT_WEBHOOK_SECRET_FILE', { MUNIMENT_WEBHOOK_URL: 'https://hooks.example/a' }],
    [
      'MUNIMENT_WEBHOOK_SECRET_FILE',
      { MUNIMENT_WEBHOOK_URL: 'https://hooks.example/a', MUNIMENT_WEBHOOK_SECRET_FILE: '/run/short' },
    ],
    ['MUNIMENT_WEBHOOK_SECRET', { MUNIMENT_WEBHOOK_SECRET: 'planted' }],
  ])('%s in %j', (name, env) => {
    const error = failure(env)
    expect(error.message.startsWith(`${name} `)).toBe(true)
    expect(error.details).toEqual({ setting: name })
    expect(`${error.message} ${error.hint}`).not.toContain('planted')
  })

  test.each([
    ['MUNIMENT_TENNANT', 'Did you mean MUNIMENT_TENANT?'],
    ['MUNIMENT_RETENTION_DAY', 'Did you mean MUNIMENT_RETENTION_DAYS?'],
    ['MUNIMENT_KAFKA_SERVER_NAME', 'Did you mean MUNIMENT_KAFKA_SERVERNAME?'],
  ])('%s is not a setting, and the one meant is told', (name, hint) => {
    const error = failure({ [name]: '1' })
    expect(error.message).toBe(`${name} is not a setting.`)
    expect(error.hint).toBe(hint)
  })

  test('where nothing is near, the standing hint is given', () => {
    expect(failure({ MUNIMENT_QUITE_ANOTHER_THING: '1' }).hint).toContain('muniment doctor')
  })

  test.each([
    ['tennant: x', 'tennant is not a setting.'],
    ['kafka:\n  passwd: x', 'kafka.passwd is not a setting.'],
    ['http:\n  port: [1, 2]', 'http.port in muniment.yaml must be one value.'],
    ['http:\n  port: many', 'http.port in muniment.yaml must be a whole number from 0 to 65535, not "many".'],
    ['http:\n  port: 1\nhttp.port: 2', 'http.port in muniment.yaml is set twice.'],
    ['tenant: a\ntenant: b', 'muniment.yaml is not YAML: DUPLICATE_KEY in line 2.'],
    ['kafka: {sasl_password: "planted', 'muniment.yaml is not YAML: '],
    ['- tenant', 'muniment.yaml must be a map of settings.'],
    ['just text', 'muniment.yaml must be a map of settings.'],
    ['__proto__: x', '__proto__ is not a setting.'],
  ])('the file %j: %s', (yaml, message) => {
    const error = failure({}, yaml)
    expect(error.message.startsWith(message)).toBe(true)
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain('planted')
  })

  test('a file with aliases, or too long, is refused', () => {
    expect(failure({}, 'tenant: &a x\nserver_name: *a').message).toContain('muniment.yaml')
    expect(failure({}, `# ${'x'.repeat(1_000_001)}`).message).toContain('longer')
  })
})

describe('whatever is written', () => {
  const names = listSettings()

  test('in the environment, there is a configuration or a named error', () => {
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'true',
        'false',
        '0',
        '1',
        '-1',
        '1e9',
        'file:',
        's3://a-bucket/p',
        'kafka://a:1',
        'https://x/',
      ),
    )
    const variable = fc.constantFrom(...names.map(({ env }) => env), 'MUNIMENT_', 'MUNIMENT_X', 'HOME')
    fc.assert(fc.property(fc.dictionary(variable, value), env => answers(env)))
  })

  test('in the file, too', () => {
    const key = fc.oneof(fc.constantFrom(...names.map(({ name }) => name)), fc.string({ maxLength: 8 }))
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string(), { maxLength: 2 }),
    )
    fc.assert(fc.property(fc.dictionary(key, value), map => answers({}, JSON.stringify(map))))
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab:\n -{}[]&*!|>%@#,"\'?'.split('')) }), yaml =>
        answers({}, yaml),
      ),
    )
  })
})

describe('the table of settings', () => {
  test('has one variable per setting, all ours, each documented in one line', () => {
    const all = listSettings()
    expect(new Set(all.map(({ env }) => env)).size).toBe(all.length)
    for (const { env, doc, expects, roles } of all) {
      expect(env).toMatch(/^(?:MUNIMENT|MCP|MASK_PII)_[A-Z0-9_]+$/u)
      expect(doc).toMatch(/^[^\n]+\.$/u)
      expect(expects).not.toBe('')
      expect(roles).not.toHaveLength(0)
    }
  })

  test('has no setting whose name contains another, so a file has one reading', () => {
    const names = listSettings().map(({ name }) => name)
    for (const name of names) expect(names.filter(other => other.startsWith(`${name}.`))).toEqual([])
  })

  test('tells what one role reads', () => {
    const masker = listSettings('masker').map(({ env }) => env)
    expect(masker).toContain('MUNIMENT_BUS')
    expect(masker).toContain('MUNIMENT_SECRETS')
    expect(masker).not.toContain('MUNIMENT_STORE')
  })

  test('is printed as Markdown, one row each', () => {
    const [table = ''] = settingsMarkdown().split('\n\n')
    const lines = table.split('\n')
    expect(lines).toHaveLength(listSettings().length + 2)
    for (const line of lines) expect(line.split(/(?<!\\)\|/u)).toHaveLength(7)
  })
})
