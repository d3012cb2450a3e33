import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { InMemoryTransport as MemoryV2 } from '@modelcontextprotocol/server'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authorise } from '../src/guard/authorise/authorise.ts'
import { createRules, type Asker, type Rules } from '../src/guard/authorise/decide.ts'
import { checkAuthorise, type AuthoriseOptions } from '../src/guard/authorise/options.ts'
import { followPolicies, readPolicies } from '../src/guard/authorise/policy-files.ts'
import { hostOf } from '../src/host.ts'
import { attach } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import type { Problem } from '../src/problem.ts'
import type { Principal } from '../src/record.ts'
import { lines, newClientV1, newClientV2, talkV1, talkV2, type Line, type Talk } from './conversation.ts'
import { serverV1, serverV2 } from './servers.ts'
import { openLab } from './support.ts'

const who = (id: string, more: Partial<Principal> = {}): Principal => ({ id, method: 'oauth', ...more })
const viewer = who('eve', { scopes: ['mcp:read'] })
const call = (name: unknown, args: object = {}): object => ({ name, arguments: args })

function asker(principal?: Principal, more: Partial<Asker> = {}): Asker {
  return {
    tenant: 'default',
    principal,
    server: 'files',
    risk: 'none',
    timeMs: Date.UTC(2026, 10, 30, 10),
    ...more,
  }
}

describe('Cedar policies', () => {
  let folder = ''
  let written = 0
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muniment-cedar-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))

  function file(text: string, name = `p${++written}.cedar`): string {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }

  const readFile = {
    name: 'read_file',
    inputSchema: {
      type: 'object',
      properties: {
        path: { type: 'string' },
        limit: { type: 'integer' },
        __extn: { type: 'string' },
        ratio: { type: 'number' },
      },
      required: ['path'],
    },
  }
  const text = `
    @id("docs")
    permit (principal in Mcp::Role::"viewer", action == Mcp::Action::"tools/call/read_file", resource)
    when { context.arguments.path like "/srv/docs/*" && !(context.arguments.path like "*..*") };
    @id("office")
    permit (principal in Mcp::Role::"admin", action in Mcp::Action::"tools/call", resource in Mcp::Server::"files")
    when { context has address && context.address.isInRange(ip("10.0.0.0/8")) && context.time.hour >= 8 };
    @id("alice")
    permit (principal == Mcp::Principal::"https://id.example|alice", action, resource);
    @id("risk") forbid (principal, action, resource) when { context.risk == "require_approval" };
    @id("many") forbid (principal, action, resource) when { context.shape.count > 3 };`

  function open(policy: string): Rules {
    const policies = {
      files: [file(policy)],
      tools: file(JSON.stringify({ tools: [readFile, { name: 'wipe' }] }), 'tools.json'),
    }
    const roles: AuthoriseOptions['roles'] = {
      viewer: [{ scopes: ['mcp:read'] }],
      admin: [{ scopes: ['mcp:admin'] }],
    }
    const loaded = readPolicies(policies)
    return createRules(checkAuthorise({ roles, policies }), () => loaded)
  }

  let kept: Rules | undefined
  const common = (): Rules => (kept ??= open(text))

  const boss = who('root', { scopes: ['mcp:admin'] })
  const alice = who('alice', { issuer: 'https://id.example' })
  const docs = { path: '/srv/docs/a' }

  test.each<[string, Principal | undefined, string, object, Partial<Asker>, boolean]>([
    ['permits by role and argument', viewer, 'read_file', docs, {}, true],
    ['refuses another argument', viewer, 'read_file', { path: '/etc/passwd' }, {}, false],
    ['refuses a way out', viewer, 'read_file', { path: '/srv/docs/../../etc/passwd' }, {}, false],
    ['refuses without the argument', viewer, 'read_file', {}, {}, false],
    ['refuses a list in place of the text', viewer, 'read_file', { path: ['/srv/docs/a'] }, {}, false],
    [
      'refuses the argument in other letters',
      viewer,
      'read_file',
      { ...docs, PATH: '/etc/passwd' },
      {},
      false,
    ],
    ['refuses its full-width twin', viewer, 'read_file', { ...docs, '\uFF50ath': '/etc/passwd' }, {}, false],
    ['refuses half a character', viewer, 'read_file', { path: '/srv/docs/\uD800' }, {}, false],
    [
      'does not read an argument as a value of Cedar',
      viewer,
      'read_file',
      { ...docs, __extn: { fn: 'ip', arg: '1' } },
      {},
      true,
    ],
    ['refuses another tool', viewer, 'wipe', {}, {}, false],
    ['refuses who has no role', who('x'), 'read_file', docs, {}, false],
    ['refuses who was not verified', undefined, 'read_file', docs, {}, false],
    ['permits from the office', boss, 'wipe', {}, { address: '10.1.2.3' }, true],
    ['permits from the office, written as IPv6', boss, 'wipe', {}, { address: '::ffff:10.1.2.3' }, true],
    ['permits a tool that nobody listed by its group', boss, 'new_tool', {}, { address: '10.1.2.3' }, true],
    ['refuses from elsewhere', boss, 'wipe', {}, { address: '11.1.2.3' }, false],
    ['refuses from nowhere', boss, 'wipe', {}, {}, false],
    ['refuses an address that is none', boss, 'wipe', {}, { address: '10.1.2.3, 11.1.1.1' }, false],
    [
      'refuses at night',
      boss,
      'wipe',
      {},
      { address: '10.1.2.3', timeMs: Date.UTC(2026, 10, 30, 7, 59) },
      false,
    ],
    ['refuses at another server', boss, 'wipe', {}, { address: '10.1.2.3', server: 'other' }, false],
    ['permits somebody by issuer and id', alice, 'wipe', {}, {}, true],
    [
      'refuses the same id of another issuer',
      who('alice', { issuer: 'https://evil.example' }),
      'wipe',
      {},
      {},
      false,
    ],
    [
      'refuses an id that looks like one of an issuer',
      who('https://id.example|alice'),
      'wipe',
      {},
      {},
      false,
    ],
    ['refuses whom a decision is about', alice, 'wipe', {}, { risk: 'require_approval' }, false],
    ['refuses too many arguments', alice, 'new_tool', { a: 1, b: 1, c: 1, d: 1 }, {}, false],
  ])('%s', (...[, principal, tool, args, more, expected]) => {
    const ruling = common().request(asker(principal, more), 'tools/call', call(tool, args))
    expect(ruling?.isAllowed).toBe(expected)
    expect(ruling?.reason).not.toContain('/etc')
  })

  test('a list shows a tool that some arguments would open, and none that no argument would', () => {
    const opened = common()
    const shown = (principal: Principal, more: Partial<Asker> = {}): string[] =>
      ['read_file', 'wipe'].filter(name => opened.mayUse(asker(principal, more), { kind: 'tools', name }))
    expect(shown(viewer)).toEqual(['read_file'])
    expect(shown(viewer, { risk: 'require_approval' })).toEqual([])
    expect(shown(alice)).toEqual(['read_file', 'wipe'])
    expect(shown(who('x'))).toEqual([])
  })

  test('an answer is remembered for what it was given to only', () => {
    const opened = common()
    for (let round = 0; round < 2; round++) {
      expect(opened.request(asker(viewer), 'tools/call', call('read_file', docs))?.isAllowed).toBe(true)
      expect(
        opened.request(asker(viewer), 'tools/call', call('read_file', { path: '/etc' }))?.isAllowed,
      ).toBe(false)
      expect(opened.request(asker(who('eve')), 'tools/call', call('read_file', docs))?.isAllowed).toBe(false)
    }
  })

  test('both roles and policies must permit', () => {
    const policies = { files: [file('permit (principal, action, resource);')] }
    const loaded = readPolicies(policies)
    const needs = { read: { tools: ['search'] }, admin: { tools: ['delete_repo'] } }
    const options = { needs, roles: { viewer: [{ scopes: ['mcp:read'] }] }, policies }
    const both = createRules(checkAuthorise(options), () => loaded)
    const may = (tool: string): boolean | undefined =>
      both.request(asker(viewer), 'tools/call', call(tool))?.isAllowed
    expect([may('search'), may('delete_repo'), may('unlisted')]).toEqual([true, false, false])
  })

  test.each([
    ['no policy', ''],
    ['half a policy', 'permit (principal, action'],
    [
      'an attribute that is not there',
      'permit (principal, action, resource) when { context.rsik == "none" };',
    ],
    ['a type that does not fit', 'permit (principal, action, resource) when { context.risk > 3 };'],
    [
      'an optional attribute without asking for it',
      'permit (principal, action, resource) when { context.address.isLoopback() };',
    ],
    [
      'a tool that is not there',
      'permit (principal, action == Mcp::Action::"tools/call/raed_file", resource);',
    ],
    ['a template', 'permit (principal == ?principal, action, resource);'],
    [
      'two policies of one name',
      '@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);',
    ],
    ['another language', '{"permit": true}'],
  ])('%s stops the start', (_, policy) => {
    expect(() => open(policy)).toThrow('guard.authorise.policies')
  })

  test('a file that cannot be read, or is no list of tools, stops the start', () => {
    const good = file('permit (principal, action, resource);')
    expect(() => readPolicies({ files: [join(folder, 'none.cedar')] })).toThrow('none.cedar')
    expect(() => readPolicies({ files: [good], tools: file('{"tools": 1}') })).toThrow('policies.tools')
    expect(() => readPolicies({ files: [good], tools: file('{') })).toThrow('policies.tools')
    const context = { settings: readSettings({ home: folder }, {}), follow: () => undefined }
    const part = authorise({ policies: { files: [join(folder, 'none.cedar')] } })
    expect(() => part.open(context)).toThrow('none.cedar')
  })

  test('a policy of which the starter loses any one character never permits more', () => {
    const denies =
      'forbid (principal, action, resource) when { context.risk == "block" };\npermit (principal, action, resource);'
    fc.assert(
      fc.property(fc.integer({ min: 0, max: denies.indexOf('\n') - 1 }), at => {
        const torn = denies.slice(0, at) + denies.slice(at + 1)
        let opened: Rules
        try {
          opened = open(torn)
        } catch {
          return
        }
        // What still parses must still forbid, unless the very word that it forbids was changed.
        const isWord = !torn.includes('"block"')
        const ruling = opened.request(asker(alice, { risk: 'block' }), 'tools/call', call('wipe'))
        expect(ruling?.isAllowed).toBe(isWord)
      }),
      { numRuns: 80 },
    )
  })

  test('changed files are taken over; what cannot be used is told, and the last good ones hold', () => {
    const path = file('forbid (principal, action, resource);', 'live.cedar')
    const problems: Problem[] = []
    let nowMs = 0
    const current = followPolicies(
      { files: [path] },
      one => problems.push(one),
      () => nowMs,
    )
    const allowed = (): boolean =>
      createRules({ policies: { files: [path] } }, current).request(asker(viewer), 'tools/call', call('x'))
        ?.isAllowed === true
    const change = (policy: string): void => {
      file(policy, 'live.cedar')
      const { mtimeMs } = statSync(path)
      utimesSync(path, new Date(), new Date(mtimeMs + (nowMs += 3000)))
    }
    expect(allowed()).toBe(false)
    change('permit (principal, action, resource);')
    expect(allowed()).toBe(true)
    change('permit (principal, action')
    expect(allowed()).toBe(true)
    expect(problems).toMatchObject([
      { code: 'CONFIG_INVALID', message: expect.stringContaining('last good') },
    ])
    rmSync(path)
    nowMs += 3000
    expect(allowed()).toBe(true)
    expect(problems).toHaveLength(2)
    change('forbid (principal, action, resource);')
    expect(allowed()).toBe(false)
  })
})

async function talk(lineOf: Line, home: string): Promise<Talk> {
  const guard = authorise({
    needs: { read: { tools: ['echo'] }, admin: { tools: ['fail'] } },
    anonymous: 'viewer',
  })
  if (lineOf === 'v1') {
    const [near, far] = MemoryV1.createLinkedPair()
    await attach(serverV1(), { home, guard }).connect(far)
    return await talkV1(newClientV1(), near)
  }
  const [near, far] = MemoryV2.createLinkedPair()
  await attach(serverV2(), { home, guard }).connect(far)
  return await talkV2(newClientV2(), near)
}

describe.each(lines)('before a server of SDK %s', line => {
  test('callers see and call what they may, and each refusal is one event with its reason', async () => {
    await using lab = await openLab()
    const client = await talk(line, lab.home)
    expect(JSON.stringify(await client.list())).toMatch(/"echo"/u)
    expect(JSON.stringify(await client.list())).not.toMatch(/"fail"|"roots"/u)
    expect(await client.call('echo', { text: 'hello' })).toMatchObject({ content: [{ text: 'hello' }] })
    await expect(client.call('fail')).rejects.toThrow('ACCESS_DENIED')
    await expect(client.call('log')).rejects.toThrow('ACCESS_DENIED')
    await client.close()
    await hostOf(readSettings({ home: lab.home })).close(2000)
    const seen = await lab.collect()
    const policies = (target: string): unknown[] =>
      seen.flatMap(({ observation: one }) => (one.target === target ? [[one.outcome, one.policy]] : []))
    expect(policies('fail')).toEqual([
      ['denied', [{ name: 'authorise', decision: 'deny', reason: 'it needs admin, the role is viewer' }]],
    ])
    expect(policies('log')).toEqual([['denied', [expect.objectContaining({ decision: 'deny' })]]])
    expect(policies('echo')).toEqual([['ok', [expect.objectContaining({ decision: 'permit' })]]])
  })
})
