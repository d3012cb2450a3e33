import { readConfig } from '@muniment/runtime'
import { expect, test } from 'vitest'
import { guardLine } from '../src/guard-line.ts'
import { guardPartsIn, isFleetIn } from '../src/guard-section.ts'

const whole = `guard:
  authorise: rules.yaml
  limit:
    door: [{ per: address, amount: 100, window_seconds: 900 }]
    requests: [{ per: [principal, tool], amount: 60, window_seconds: 60, burst: 6 }]
    costs: { search: 5 }
    concurrent: [{ per: principal, most: 8 }]
    fleet: { members: 1 }
    trusted_proxies: 1
  validate:
    max_string_length: 20000
    unlisted: refuse
    payloads: refuse
    paths: { roots: [/srv/files], max_file_bytes: 1000 }
    sanitise: { tools: [post], html: true }
  errors: { tool_errors: keep }
  sessions: { idle_seconds: 600, absolute_seconds: 3600, most: 100, most_per_principal: 10 }
`

async function partsOf(yaml: string): Promise<readonly string[]> {
  const { guard } = readConfig({ env: {}, yaml }).sections
  return guard === undefined ? [] : (await guardPartsIn(guard)).map(({ stage }) => stage)
}

test('the section guard names the parts that wrap and proxy stand behind', async () => {
  expect(await partsOf(whole)).toEqual(['limit', 'validate', 'sessions', 'errors'])
  expect(await partsOf('guard: { errors: {} }')).toEqual(['errors'])
  expect(await partsOf('guard: {}')).toEqual([])
})

test.each([
  ['guard: {}', 'Guard: off; whoever reaches this address may call.'],
  [
    'guard: { errors: {}, limit: {} }',
    'Guard: limit → errors; off: authenticate, sessions, decisions, authorise, mask, validate.',
  ],
])('who starts a proxy with %s reads what stands before servers, and what does not', async (yaml, line) => {
  const { guard } = readConfig({ env: {}, yaml }).sections
  expect(guardLine(guard === undefined ? [] : await guardPartsIn(guard))).toBe(line)
})

// A mistake never opens a door: each of these stops the start.
test.each<[string, string, string]>([
  ['limit:', 'limits:', 'guard.limits'],
  ['per: address', 'per: adress', 'guard.limit.door'],
  ['amount: 100', 'amount: 0', 'guard.limit.door'],
  ['amount: 100', 'amount: many', 'guard.limit.door'],
  ['window_seconds: 900', 'window: 900', 'guard.limit.door'],
  ['burst: 6', 'burst: 600', 'cannot be meant'],
  ['search: 5', 'search: 500', 'cannot cost'],
  ['most: 8', 'most: 0', 'guard.limit.concurrent'],
  ['members: 1', 'members: 65', 'cannot be divided'],
  ['members: 1', 'members: 2', 'cannot cost'],
  ['members: 1', 'member: 1', 'guard.limit.fleet'],
  ['trusted_proxies: 1', 'trusted_proxies: yes', 'guard.limit.trusted_proxies'],
  ['max_string_length: 20000', 'max_string_length: -1', 'guard.validate.max_string_length'],
  ['unlisted: refuse', 'unlisted: refused', 'guard.validate.unlisted'],
  ['payloads: refuse', 'payload: refuse', 'guard.validate.payload'],
  ['roots: [/srv/files]', 'roots: []', 'guard.validate.paths.roots'],
  ['roots: [/srv/files]', 'roots: [files]', 'absolute'],
  ['idle_seconds: 600', 'idle: 600', 'guard.sessions.idle'],
  ['absolute_seconds: 3600', 'absolute_seconds: 0', 'guard.sessions.absolute_seconds'],
  ['absolute_seconds: 3600', 'absolute_seconds: 3000000', 'absoluteMs'],
  ['tool_errors: keep', 'tool_errors: show', 'guard.errors.tool_errors'],
  ['errors: {', 'error: {', 'guard.error'],
  ['authorise: rules.yaml', 'authorise: [rules.yaml]', 'guard.authorise'],
  ['authorise: rules.yaml', "authorise: ''", 'guard.authorise'],
])('with %s written as %s nothing starts, and the place is named', async (right, wrong, place) => {
  await expect(partsOf(whole.replace(right, wrong))).rejects.toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(place) }),
  )
})

test('payloads are those of the detector, by what a parameter is for', async () => {
  const { inspectArgument } = await import('@muniment/detector')
  expect(inspectArgument('id', "1' OR '1'='1' --")).toBe('sqli')
  expect(inspectArgument('path', '../../../../etc/passwd')).toBe('traversal')
  expect(inspectArgument('url', 'http://169.254.169.254/latest/meta-data/')).toBe('ssrf')
  for (const [name, text] of [
    ['command', 'git status && npm test'],
    ['sql', "SELECT * FROM users WHERE name = 'x'"],
    ['path', 'src/index.ts'],
    ['url', 'https://example.com/a?b=c'],
  ] as const)
    expect(inspectArgument(name, text)).toBeUndefined()
})

test.each([
  [whole, true],
  ['guard: { limit: {} }', false],
  ['guard: {}', false],
])('the detector counts the members of a fleet only where limits are shared (%#)', (yaml, isFleet) => {
  const { guard } = readConfig({ env: {}, yaml }).sections
  expect(guard !== undefined && isFleetIn(guard)).toBe(isFleet)
})
