import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '@muniment/schema'
import { createLineMask, createLogger, type Logger, type LogLevel } from '../src/index.ts'

function capture(level: LogLevel = 'info'): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const log = createLogger({ name: 'test', level, destination: { write: line => lines.push(line) } })
  return { log, lines }
}

function logged(facts: Readonly<Record<string, unknown>>): string {
  const { log, lines } = capture()
  log.info('test.fact', facts)
  return lines.join('')
}

describe('a log line', () => {
  test('is one line of JSON whose first key is the event', () => {
    const { log, lines } = capture()
    log.child('ring').warn('ring.full', { dropped: 3, reason: 'it said "event":"x",' })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\{"event":"ring\.full","level":"warn","time":"\d{4}-.*\}\n$/u)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ name: 'test', component: 'ring', dropped: 3 })
  })

  test('without facts is well-formed too', () => {
    expect(Object.keys(JSON.parse(logged({})))).toEqual(['event', 'level', 'time', 'name'])
  })

  test('below the level is not written', () => {
    const { log, lines } = capture('warn')
    log.info('test.quiet')
    log.error('test.loud')
    expect(lines).toHaveLength(1)
  })

  test('carries code, hint and cause of an error', () => {
    const error = new AppError('STORE_REFUSED', 'No.', { hint: 'Try.', cause: new Error('below') })
    expect(JSON.parse(logged({ error }))).toMatchObject({
      error: { code: 'STORE_REFUSED', hint: 'Try.', message: 'No.', cause: { message: 'below' } },
    })
  })

  test('is well-formed and event-first whatever the facts are', () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.anything()), (event, facts) => {
        const { log, lines } = capture()
        log.info(event, facts)
        expect(lines).toHaveLength(1)
        expect(lines[0]?.startsWith(`{"event":${JSON.stringify(event)}`)).toBe(true)
        expect(JSON.parse(lines[0] ?? '')).toHaveProperty('event')
      }),
    )
  })
})

const maskedLine = (
  policy: Parameters<typeof createLineMask>[0],
  facts: Readonly<Record<string, unknown>>,
): string => {
  const lines: string[] = []
  const destination = { write: (line: string) => lines.push(line) }
  const log = createLogger({ name: 'test', level: 'info', destination, maskLine: createLineMask(policy) })
  log.info('test.fact', facts)
  return lines.join('')
}

describe('a masked log', () => {
  test('holds no personal data, and stays one line of JSON', () => {
    const line = maskedLine({}, { note: 'ada@example.org', error: new Error('no route to +1 415 555 2671') })
    expect(line).not.toMatch(/ada@|2671/u)
    expect(JSON.parse(line)).toMatchObject({ event: 'test.fact', name: 'test', note: '[EMAIL]' })
    expect(line.indexOf('\n')).toBe(line.length - 1)
  })

  test('goes by the rules for logs, and needs no keys for them', () => {
    const rules = [
      { types: ['IP_ADDRESS'], surfaces: ['logs'], action: { kind: 'keep' } },
      { types: ['EMAIL'], action: { kind: 'token' } },
    ] as const
    const line = maskedLine(
      { rules, otherwise: { kind: 'hash' } },
      { note: '8.8.8.8 ada@example.org +1 415 555 2671' },
    )
    expect(JSON.parse(line)).toMatchObject({ note: '8.8.8.8 [EMAIL] [PHONE]' })
  })
})

describe('the fence', () => {
  const planted = 'planted-9f31'

  test.each([
    'secret',
    'client_secret',
    'password',
    'passwd',
    'token',
    'accessToken',
    'authorization',
    'cookie',
    'apiKey',
    'privateKey',
    'session_id',
    'body',
    'payload',
    'arguments',
    'params',
    'result',
    'PLAINTEXT',
  ])('holds back what is named %s, at any depth', name => {
    expect(logged({ [name]: planted })).not.toContain(planted)
    expect(logged({ at: { some: { [name]: planted } } })).not.toContain(planted)
    expect(logged({ at: [{ [name]: { deep: planted } }] })).not.toContain(planted)
    expect(
      logged({ error: new AppError('STORE_REFUSED', 'No.', { details: { [name]: planted } }) }),
    ).not.toContain(planted)
  })

  test.each([
    ['a private key', `-----BEGIN PRIVATE KEY-----\n${planted}`],
    ['a JWT', `got eyJhbGciOiJFUzI1.eyJzdWIiOiIx.${planted}`],
    ['an API key', `mun_${planted}_0123456789`],
    ['a bearer header', `Bearer ${planted}`],
    ['a URL with a password', `https://user:${planted}@host/`],
    ['a log key', `PRIVATE+KEY+log+00+${planted}`],
  ])('holds back a text that holds %s', (_name, text) => {
    expect(logged({ message: text })).not.toContain(planted)
    expect(logged({ error: new Error(text) })).not.toContain(planted)
    expect(logged({ error: new Error('x', { cause: new Error(text) }) })).not.toContain(planted)
  })

  test('shows bytes by their number only', () => {
    expect(JSON.parse(logged({ value: Buffer.from(planted) }))).toMatchObject({ value: '[12 bytes]' })
  })

  test('bounds depth, count and length, and survives a circle', () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, index]))
    expect(
      logged({ circle, wide, long: 'x'.repeat(1e6), list: Array.from({ length: 1000 }, () => 'y') }).length,
    ).toBeLessThan(10_000)
  })

  test('lets ordinary facts through', () => {
    const facts = { lane: 'i1/0', token_count: 3, body_bytes: 10, resultCount: 1, partition: 4, took_ms: 1.5 }
    expect(JSON.parse(logged(facts))).toMatchObject(facts)
  })
})
