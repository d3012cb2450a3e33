import { describe, expect, test } from 'vitest'
import { addressKey } from '../src/guard/address.ts'
import { openGuards } from '../src/guard/compose.ts'
import { limit, type Guard, type LimitBy, type LimitOptions, type Subject } from '../src/guard/index.ts'
import { createJudge } from '../src/guard/judge.ts'
import { createQuotas } from '../src/guard/quota.ts'
import { readSettings } from '../src/main-env.ts'

const settings = readSettings({ home: '/nonexistent' }, {})
const minute = 60_000

function open(options: LimitOptions): Guard {
  return openGuards(limit(options), { settings, follow: () => undefined })(settings.delivery) ?? {}
}

interface Knock {
  readonly address?: string
  readonly forwarded?: string
  readonly key?: string
}

/** The code with which a door refuses, and the fields that it gives. */
function knock(guard: Guard, { address = '10.0.0.1', forwarded, key }: Knock = {}): unknown {
  const fields = new Map([
    ['x-forwarded-for', forwarded],
    ['x-api-key', key],
  ])
  const verdict = guard.door?.({
    tenant: 'default',
    method: 'POST',
    target: '/mcp',
    address,
    place: '/',
    header: name => fields.get(name),
  })
  return verdict instanceof Promise ? verdict : (verdict?.refusal?.code ?? verdict?.headers)
}

function subject(more: Partial<Subject> = {}): Subject {
  return { tenant: 'default', method: 'tools/call', target: 'echo', ...more }
}

function ask(guard: Guard, about: Subject): string {
  const verdict = guard.request?.(about, {})
  if (verdict instanceof Promise) throw new TypeError('a limit does not wait')
  return verdict?.refusal?.code ?? 'pass'
}

function asked(guard: Guard, times: number, about: Partial<Subject> = {}): number {
  return Array.from({ length: times }, () => ask(guard, subject(about))).filter(one => one === 'pass').length
}

describe('an allowance', () => {
  const quota = { amount: 10, windowMs: 1000, burst: 4 }

  test('lets a burst through, then one for each share of the window, and never more than its amount', () => {
    let now = 0
    const quotas = createQuotas(() => now)
    const passed: number[] = []
    for (; now <= 1000; now += 10)
      if (quotas.look('a', quota, 1).retryAfterMs === undefined) {
        quotas.take('a', quota, 1)
        passed.push(now)
      }
    expect(passed.slice(0, 6)).toEqual([0, 10, 20, 30, 100, 200])
    expect(passed.length).toBeLessThanOrEqual(4 + 10)
  })

  test('says how long to wait, after which there is enough', () => {
    let now = 5
    const quotas = createQuotas(() => now)
    for (let count = 0; count < 4; count++) quotas.take('a', quota, 1)
    const { retryAfterMs = 0, remaining } = quotas.look('a', quota, 1)
    expect([retryAfterMs, remaining]).toEqual([100, 0])
    now += retryAfterMs
    expect(quotas.look('a', quota, 1).retryAfterMs).toBeUndefined()
  })

  test('of a million keys is kept in bounded memory, gives nobody back what was spent, and is there again after', () => {
    let now = 0
    const quotas = createQuotas(() => now, 1000)
    const spend = (key: string): boolean => {
      const isRefused = quotas.look(key, quota, 1).retryAfterMs !== undefined
      if (!isRefused) quotas.take(key, quota, 1)
      return !isRefused
    }
    while (spend('victim'));
    let passed = 0
    for (let count = 0; count < 1_000_000; count++) if (spend(`flood ${count}`)) passed += 1
    expect(quotas.size()).toBeLessThanOrEqual(1001)
    expect(passed).toBeLessThan(1010)
    expect(spend('victim')).toBe(false)
    now += 2000
    expect(spend('a new one')).toBe(true)
    expect(quotas.size()).toBeLessThan(10)
  })
})

test.each([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::FFFF:0a01:0203', '10.1.2.3'],
  ['0:0:0:0:0:ffff:a01:203', '10.1.2.3'],
  ['64:ff9b::10.1.2.3', '10.1.2.3'],
  ['10.1.2.3:4711', '10.1.2.3'],
  ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
  ['2001:0DB8:0000:0001:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
  ['[2001:db8:0:1::9]:443', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['no address', 'unknown'],
  [undefined, 'unknown'],
])('the address %s counts as %s', (address, key) => {
  expect(addressKey(address)).toBe(key)
})

describe('the door', () => {
  test('lets 100 in for an address in 15 minutes where nobody says otherwise, and says what is left', () => {
    const guard = open({})
    expect(knock(guard)).toEqual({
      'RateLimit-Policy': '"address";q=100;w=900',
      RateLimit: expect.stringMatching(/^"address";r=99;t=\d+$/u),
    })
    const passed = Array.from({ length: 199 }, () => knock(guard)).filter(one => one !== 'RATE_LIMITED')
    expect(passed).toHaveLength(99)
    expect(knock(guard, { address: '10.0.0.2' })).not.toBe('RATE_LIMITED')
  })

  const one: LimitOptions = { door: [{ per: 'address', amount: 1, windowMs: minute }] }
  test.each<[string, Knock]>([
    ['another form of the address', { address: '::ffff:10.0.0.1' }],
    ['another spelling of that', { address: '::FFFF:0A00:0001' }],
    ['a forwarded address that nobody vouches for', { forwarded: '1.2.3.4' }],
    ['another key', { key: 'mun_made_up' }],
  ])('is not got past by %s', (_, trick) => {
    const guard = open(one)
    knock(guard)
    expect(knock(guard, trick)).toBe('RATE_LIMITED')
  })

  test('is not got past from another address of the same IPv6 network', () => {
    const guard = open(one)
    knock(guard, { address: '2001:db8::1' })
    expect(knock(guard, { address: '2001:db8::ffff:1' })).toBe('RATE_LIMITED')
    expect(knock(guard, { address: '2001:db8:0:2::1' })).not.toBe('RATE_LIMITED')
  })

  test('believes trusted proxies only in what they have added themselves', () => {
    const guard = open({ ...one, trustedProxies: 1 })
    knock(guard, { forwarded: '9.9.9.9' })
    expect(knock(guard, { forwarded: '1.2.3.4, 9.9.9.9' })).toBe('RATE_LIMITED')
    expect(knock(guard, { forwarded: '9.9.9.9, 8.8.8.8' })).not.toBe('RATE_LIMITED')
  })
})

describe('requests', () => {
  const perPrincipal: LimitOptions = { rules: [{ per: 'principal', amount: 3, windowMs: minute }] }
  const alice = { id: 'alice', method: 'oauth' }

  test('count for who was verified, whatever the client calls itself', () => {
    const guard = open(perPrincipal)
    expect(asked(guard, 9, { principal: alice })).toBe(3)
    expect(
      asked(guard, 9, { principal: alice, client: 'another', sessionId: 's2', address: '10.9.9.9' }),
    ).toBe(0)
    expect(asked(guard, 9, { principal: { ...alice, id: 'Alice' } })).toBe(3)
    expect(asked(guard, 9, { principal: { ...alice, issuer: 'https://id.example' } })).toBe(3)
  })

  test('of nobody in particular count for their address', () => {
    const guard = open(perPrincipal)
    expect(asked(guard, 9, { client: 'one', address: '10.0.0.1' })).toBe(3)
    expect(asked(guard, 9, { client: 'two', address: '::ffff:10.0.0.1' })).toBe(0)
    expect(asked(guard, 9, { principal: { id: '@10.0.0.1', method: 'oauth' } })).toBe(3)
  })

  test.each<[string, LimitBy | readonly LimitBy[], readonly [Partial<Subject>, Partial<Subject>]]>([
    ['a tenant', 'tenant', [{ target: 'x' }, { tenant: 'acme' }]],
    ['a tool', 'tool', [{ principal: alice }, { target: 'x' }]],
    ['a principal’s calls of a tool', ['principal', 'tool'], [{ client: 'x' }, { principal: alice }]],
  ])('are limited by %s', (_, per, [same, other]) => {
    const guard = open({ rules: [{ per, amount: 2, windowMs: minute }] })
    expect(asked(guard, 5)).toBe(2)
    expect(asked(guard, 5, same)).toBe(0)
    expect(asked(guard, 5, other)).toBe(2)
  })

  test('cost what their tool costs, and a refusal costs nothing of another rule', () => {
    const guard = open({
      rules: [
        { per: 'tenant', amount: 10, windowMs: minute },
        { per: 'tool', amount: 6, windowMs: minute },
      ],
      costs: { dear: 5, free: 0 },
    })
    expect(asked(guard, 5, { target: 'dear' })).toBe(1)
    expect(asked(guard, 9, { target: 'cheap' })).toBe(5)
    expect(asked(guard, 99, { target: 'free' })).toBe(99)
    expect(asked(guard, 9, { method: 'ping' })).toBe(9)
  })

  test('that run at a time are capped, each place given back once, however a call ends', () => {
    const guard = open({ concurrent: [{ per: 'principal', most: 2 }] })
    const info = { id: 'c', transport: 'stdio', tenant: 'default' } as const
    const judge = createJudge({ guard, info, labels: () => ({}), onProblem: () => undefined })
    const start = (id: number): unknown => {
      const handling = judge.inward(
        { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'echo' } },
        {},
      )
      return handling instanceof Promise ? handling : (handling?.refusal?.code ?? 'pass')
    }
    expect([1, 2, 3].map(start)).toEqual(['pass', 'pass', 'RATE_LIMITED'])
    void judge.outward({ jsonrpc: '2.0', id: 1, result: {} }, {})
    void judge.outward({ jsonrpc: '2.0', id: 1, result: {} }, {})
    expect([4, 5].map(start)).toEqual(['pass', 'RATE_LIMITED'])
    void judge.inward({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } }, {})
    expect([6, 7].map(start)).toEqual(['pass', 'RATE_LIMITED'])
    judge.close()
    expect([8, 9, 10].map(start)).toEqual(['pass', 'pass', 'RATE_LIMITED'])
  })
})

test('a refusal names the rule in the event and nothing of who it was', () => {
  const guard = open({ rules: [{ per: 'principal', amount: 1, windowMs: minute }] })
  const about = subject({ principal: { id: 'alice@example.com', method: 'oauth' } })
  expect(ask(guard, about)).toBe('pass')
  expect(guard.request?.(about, {})).toEqual({
    refusal: { code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) },
    notes: [{ name: 'limit/principal', decision: 'refuse', reason: 'More than 1 in 60 s.' }],
  })
})

test.each<[string, unknown]>([
  ['an unknown dimension', { rules: [{ per: 'moon', amount: 1, windowMs: 1 }] }],
  ['no dimension', { rules: [{ per: [], amount: 1, windowMs: 1 }] }],
  ['no amount', { door: [{ per: 'tenant', amount: 0, windowMs: 1 }] }],
  ['no number', { door: [{ per: 'tenant', amount: Number.NaN, windowMs: 1 }] }],
  ['a burst that is more than the amount', { rules: [{ per: 'tenant', amount: 1, windowMs: 1, burst: 2 }] }],
  ['a cost that nobody can pay', { rules: [{ per: 'tenant', amount: 1, windowMs: 1 }], costs: { a: 2 } }],
  ['a negative cost', { costs: { a: -1 } }],
  ['half a place', { concurrent: [{ per: 'tenant', most: 0.5 }] }],
  ['half a proxy', { trustedProxies: 0.5 }],
])('a limit with %s does not open', (_, options) => {
  expect(() =>
    limit(JSON.parse(JSON.stringify(options, (_key, value) => (Number.isNaN(value) ? 'NaN' : value)))),
  ).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})
