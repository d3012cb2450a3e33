import { randomBytes } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import {
  apiKeys,
  createApiKeyAdmin,
  createAuthenticator,
  createSessions,
  openMemoryShelf,
  type ApiKeyAdmin,
} from '@muniment/auth'
import { inspectArgument } from '@muniment/detector'
import {
  authenticate,
  authorise,
  enforceDecisions,
  limit,
  maskBeforeModel,
  reduceErrors,
  sessions,
  validate,
  type GuardPart,
  type Stage,
} from '@muniment/interceptor/guard'
import { startProxy } from '@muniment/interceptor/proxy'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listen, post, type Listening } from '../../services/interceptor/test/http-lab.ts'
import { openLab, type Lab } from '../../services/interceptor/test/support.ts'

// Each attack is stopped where all parts stand, and by its own part alone: with that one left out it gets through. So no test of it passes
// because of something else, and each part is worth its place.

const names = ['read', 'write', 'secret', 'blocked', 'fails', 'breaks', 'slow']
const properties = {
  path: { type: 'string' },
  query: { type: 'string' },
  amount: { type: 'integer' },
  list: {},
  ratio: { type: 'number' },
}
const tools = names.map(name => ({
  name,
  inputSchema: { type: 'object', properties, additionalProperties: false },
}))
const inside = 'Error: no row at /srv/app/rows.js:7'
const policy = `
  @id("all") permit (principal, action, resource);
  @id("little") forbid (principal, action == Mcp::Action::"tools/call/write", resource)
    when { context.arguments has amount && context.arguments.amount > 100 };`

let lab: Lab
let upstream: Listening
let admin: ApiKeyAdmin
let parts: readonly GuardPart[] = []
let held: (() => void)[] = []
const key = { mine: '', revoked: '', theirs: '' }

function release(): void {
  for (const go of held) go()
  held = []
}

/** A server without any care: does what it is asked, whatever the name. */
function answerTo(method: string, name: string): object {
  if (method === 'tools/list') return { result: { tools } }
  if (name === 'fails') return { error: { code: -32_000, message: inside } }
  if (name === 'breaks') return { result: { content: [{ type: 'text', text: inside }], isError: true } }
  return { result: { content: [{ type: 'text', text: 'done, write to ada@example.org' }] } }
}

interface Asked {
  readonly id: number
  readonly method: string
  readonly params?: { readonly name?: string }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { id, method, params: { name = '' } = {} }: Asked = JSON.parse(await text(request))
  if (name === 'slow') await new Promise<void>(resolve => (held.length < 2 ? held.push(resolve) : resolve()))
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answerTo(method, name) }))
}

async function allParts(): Promise<readonly GuardPart[]> {
  const shelves = { keys: openMemoryShelf(), uses: openMemoryShelf() }
  admin = createApiKeyAdmin({ ...shelves, now: Date.now, randomBytes })
  const make = async (name: string): Promise<string> =>
    (await admin.create({ name, tenant: 'default', scopes: ['read'] })).key
  Object.assign(key, {
    mine: await make('mine'),
    theirs: await make('theirs'),
    revoked: await make('revoked'),
  })
  await admin.revoke(key.revoked.slice(4, 20))
  const policies = { files: [join(lab.home, 'team.cedar')], tools: join(lab.home, 'tools.json') }
  writeFileSync(policies.files[0] ?? '', policy)
  writeFileSync(policies.tools, JSON.stringify({ tools }))
  mkdirSync(join(lab.home, 'files'))
  symlinkSync('/etc/hostname', join(lab.home, 'files/link'))
  await lab.decide({ scope: 'tool', value: 'blocked', action: 'block', reason: 'seen', lifeMs: 600_000 })
  return [
    limit({
      door: [],
      rules: [{ per: ['principal', 'tool'], amount: 3, windowMs: 600_000 }],
      concurrent: [{ per: 'principal', most: 2 }],
    }),
    authenticate(createAuthenticator({ methods: [apiKeys({ ...shelves, now: Date.now })] }), {
      sessions: createSessions({ now: Date.now }),
    }),
    sessions(),
    enforceDecisions(),
    authorise({
      needs: { read: { tools: names.filter(name => name !== 'secret') } },
      roles: { viewer: [{ scopes: ['read'] }] },
      // So that nothing but `authenticate` stands in the way of who shows no key.
      anonymous: 'viewer',
      policies,
    }),
    maskBeforeModel(),
    validate({ unlisted: 'pass', paths: { roots: [join(lab.home, 'files')] }, inspect: inspectArgument }),
    reduceErrors(),
  ]
}

beforeEach(async () => {
  lab = await openLab()
  held = []
  upstream = await listen(serve)
  parts = await allParts()
})
afterEach(async () => {
  await upstream[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

interface Answer {
  readonly status: number
  readonly body: string
}
type Ask = (method: string, params: object, fields?: Record<string, string>) => Promise<Answer>

/** What comes back through a proxy with these parts, whose client has listed the tools as clients do. */
async function through(
  guard: readonly GuardPart[],
  attack: (ask: Ask) => Promise<boolean>,
): Promise<boolean> {
  const { home } = lab
  const proxy = await startProxy({
    home,
    onProblem: () => undefined,
    routes: [{ upstream: upstream.url }],
    guard,
  })
  const url = new URL('/mcp', proxy.url)
  const ask: Ask = async (method, params, fields = {}) => {
    const init = post({ jsonrpc: '2.0', id: 1, method, params }, { 'x-api-key': key.mine, ...fields })
    const response = await fetch(url, init)
    return { status: response.status, body: await response.text() }
  }
  try {
    await ask('tools/list', {})
    return await attack(ask)
  } finally {
    release()
    await proxy.close(0)
  }
}

type Attack = readonly [title: string, part: Stage, passes: (ask: Ask) => Promise<boolean>]

const isDone = ({ body }: Answer): boolean => body.includes('done')
const call = (name: string, args: object = {}): readonly [string, object] => [
  'tools/call',
  { name, arguments: args },
]

/** An attack that is one call. */
function calling([title, part]: readonly [string, Stage], name: string, args: object = {}): Attack {
  return [title, part, async ask => isDone(await ask(...call(name, args)))]
}

function showing(title: string, shown: () => string): Attack {
  return [title, 'authenticate', async ask => isDone(await ask(...call('read'), { 'x-api-key': shown() }))]
}

/** More of the same than is allowed, each as if it came from somebody else. */
function repeating(title: string, guise: (round: number) => Record<string, string>): Attack {
  return [
    title,
    'limit',
    async ask => {
      const answers: Answer[] = []
      for (let round = 0; round < 5; round++) answers.push(await ask(...call('read'), guise(round)))
      return answers.every(isDone)
    },
  ]
}

const attacks: readonly Attack[] = [
  showing('a call without a credential', () => ''),
  showing(
    'a call with a key that nobody made',
    () => `mun_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`,
  ),
  showing('a call with a key that was revoked', () => key.revoked),
  showing('a call with another key’s secret', () => `${key.mine.slice(0, 21)}${key.theirs.slice(21)}`),
  [
    'a session in other hands',
    'authenticate',
    async ask => {
      await ask(...call('read'), { 'mcp-session-id': 's' })
      return isDone(await ask(...call('read'), { 'mcp-session-id': 's', 'x-api-key': key.theirs }))
    },
  ],
  [
    'a session that the client made up, or the server named',
    'sessions',
    async ask => isDone(await ask(...call('read'), { 'mcp-session-id': 'session-1' })),
  ],
  repeating('a flood', () => ({})),
  repeating('a flood under other addresses', round => ({
    'x-forwarded-for': `10.0.0.${round}`,
    forwarded: `for=10.0.0.${round}`,
  })),
  repeating('a flood under other names and sessions', round => ({
    'user-agent': `a${round}`,
    'mcp-session-id': `s${round}`,
  })),
  [
    'many calls at a time',
    'limit',
    async ask => {
      const two = [ask(...call('slow')), ask(...call('slow'))]
      await expect.poll(() => held.length, { interval: 5, timeout: 10_000 }).toBe(2)
      const third = isDone(await ask(...call('slow')))
      release()
      await Promise.all(two)
      return third
    },
  ],
  calling(['a tool that a decision has blocked', 'decisions'], 'blocked'),
  calling(['a hidden tool, called directly', 'authorise'], 'secret'),
  calling(['a tool’s name in other letters', 'authorise'], 'READ'),
  calling(['a tool’s name in wide letters', 'authorise'], 'ｒｅａｄ'),
  calling(['an argument beyond what a policy lets pass', 'authorise'], 'write', { amount: 1000 }),
  [
    'a hidden tool in the list',
    'authorise',
    async ask => (await ask('tools/list', {})).body.includes('secret'),
  ],
  ['a method that nobody allowed', 'authorise', async ask => isDone(await ask('vendor/run', {}))],
  [
    'personal data in an answer',
    'mask',
    async ask => (await ask(...call('read'))).body.includes('ada@example.org'),
  ],
  calling(['a path outside the roots', 'validate'], 'read', { path: '/srv/other' }),
  calling(['a path that climbs', 'validate'], 'read', { path: 'a/..%2f..%2fother' }),
  calling(['a link that leads out', 'validate'], 'read', { path: 'link' }),
  calling(['SQL in an argument', 'validate'], 'read', { query: "1' OR '1'='1' --" }),
  calling(['a parameter that the tool does not have', 'validate'], 'read', { admin: true }),
  calling(['a parameter of another type', 'validate'], 'read', { ratio: 'much' }),
  calling(['a text that is too long', 'validate'], 'read', { list: ['a'.repeat(10_001)] }),
  calling(['arguments that are too deep', 'validate'], 'read', {
    list: JSON.parse('['.repeat(60) + ']'.repeat(60)),
  }),
  [
    'what is inside of a server that fails',
    'errors',
    async ask => (await ask(...call('fails'))).body.includes('rows.js'),
  ],
  [
    'what is inside of a tool that fails',
    'errors',
    async ask => (await ask(...call('breaks'))).body.includes('rows.js'),
  ],
]

/** All that stand against an attack. Some on other parts show sessions that nobody was given, which would be stopped twice. */
function against(part: Stage): readonly GuardPart[] {
  return part === 'sessions' ? parts : parts.filter(({ stage }) => stage !== 'sessions')
}

test.each(attacks)('%s is stopped by %s, and by it alone', async (_, part, passes) => {
  const all = against(part)
  expect(await through(all, passes)).toBe(false)
  const others = all.filter(({ stage }) => stage !== part)
  expect(others.length).toBe(all.length - 1)
  expect(await through(others, passes)).toBe(true)
})

test('there is an attack for each part', () => {
  expect(new Set(attacks.map(([, part]) => part))).toEqual(new Set(parts.map(({ stage }) => stage)))
})

test('who does nothing of that gets through all of them', async () => {
  expect(await through(parts, async ask => isDone(await ask(...call('read', { path: 'a.txt' }))))).toBe(true)
})
