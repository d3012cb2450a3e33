import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { authorise } from '../src/guard/authorise/authorise.ts'
import { createRules, type Asker } from '../src/guard/authorise/decide.ts'
import { filterLists } from '../src/guard/authorise/filter.ts'
import { checkAuthorise, type AuthoriseOptions } from '../src/guard/authorise/options.ts'
import type { Guard, GuardContext, Subject } from '../src/guard/guard.ts'
import { readSettings } from '../src/main-env.ts'
import type { Principal } from '../src/record.ts'

const team: AuthoriseOptions = {
  needs: {
    read: {
      tools: ['search', 'get_*'],
      prompts: ['summarise'],
      resources: ['file:///docs/*', 'note://{id}'],
    },
    write: { tools: ['create_issue', 'get_and_mark'] },
    admin: { tools: ['delete_repo'], methods: ['x/reindex'] },
  },
  roles: {
    viewer: [{ scopes: ['mcp:read'] }],
    editor: [{ principals: ['bob'], issuer: 'https://id.example' }, { scopes: ['mcp:read', 'mcp:write'] }],
    admin: [
      { principals: ['alice'], method: 'api_key' },
      { clients: ['console'], issuer: 'https://id.example' },
    ],
  },
}

const who = (id: string, more: Partial<Principal> = {}): Principal => ({ id, method: 'oauth', ...more })
const viewer = who('eve', { scopes: ['mcp:read'] })
const editor = who('bob', { issuer: 'https://id.example' })
const admin = who('alice', { method: 'api_key' })

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

const call = (name: unknown, args: object = {}): object => ({ name, arguments: args })
const rules = createRules(checkAuthorise(team), undefined)
const may = (principal: Principal | undefined, method: string, params: unknown): boolean =>
  rules.request(asker(principal), method, params)?.isAllowed !== false

describe('roles', () => {
  test.each<[string, Principal | undefined, string, boolean]>([
    ['a viewer reads', viewer, 'search', true],
    ['a viewer reads what a prefix names', viewer, 'get_issue', true],
    ['a viewer does not write', viewer, 'create_issue', false],
    ['the exact name counts before the prefix', viewer, 'get_and_mark', false],
    ['an editor reads and writes', editor, 'create_issue', true],
    ['an editor does not administer', editor, 'delete_repo', false],
    ['an admin may do all that is named', admin, 'delete_repo', true],
    ['nobody may do what nothing names', admin, 'drop_tables', false],
    ['who was not verified may do nothing', undefined, 'search', false],
    ['who has no role may do nothing', who('mallory'), 'search', false],
    [
      'the id of another issuer is somebody else',
      who('bob', { issuer: 'https://evil.example' }),
      'search',
      false,
    ],
    ['the id without its issuer is somebody else', who('bob'), 'search', false],
    ['the id verified in another way is somebody else', who('alice'), 'search', false],
    [
      'the id of an issuer is not that of an API key',
      who('alice', { method: 'api_key', issuer: 'https://id.example' }),
      'search',
      false,
    ],
    [
      'a client id of another issuer is another client',
      who('x', { client_id: 'console', issuer: 'https://evil.example' }),
      'delete_repo',
      false,
    ],
    [
      'a client id counts as such, not as a principal',
      who('console', { issuer: 'https://id.example' }),
      'delete_repo',
      false,
    ],
    ['one of two scopes is not both', who('x', { scopes: ['mcp:write'] }), 'create_issue', false],
    ['a scope in other letters is another scope', who('x', { scopes: ['MCP:READ'] }), 'search', false],
    ['an id in other letters is another id', who('Alice', { method: 'api_key' }), 'delete_repo', false],
    ['a longer scope is another scope', who('x', { scopes: ['mcp:read:all'] }), 'search', false],
  ])('%s', (...[, principal, tool, expected]) => {
    expect(may(principal, 'tools/call', call(tool))).toBe(expected)
  })

  test.each([
    'Delete_Repo',
    'delete_repo ',
    'delete_repo\u0000',
    'delete\u200B_repo',
    'd\u0435lete_repo',
    'ｄelete_repo',
    'get_\u202Eoper',
    'get_a\u0301',
    'get_../delete_repo',
    'get_%2e%2e/delete_repo',
    '',
    '__proto__',
    'constructor',
  ])('the name %j is not taken for one that was allowed', name => {
    expect(may(admin, 'tools/call', call(name))).toBe(false)
  })

  test.each<[string, unknown]>([
    ['tools/call', {}],
    ['tools/call', { name: ['search'] }],
    ['tools/call', { name: { toString: 'search' } }],
    ['tools/call', undefined],
    ['prompts/get', { uri: 'summarise' }],
    ['resources/read', { name: 'file:///docs/a' }],
    ['completion/complete', { ref: { type: 'ref/other', name: 'summarise' } }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: [1] } }],
  ])('%s that does not say of what is no request: %j', (method, params) => {
    expect(rules.request(asker(admin), method, params)).toMatchObject({ isAllowed: false, isMalformed: true })
  })
})

describe('resources', () => {
  test.each([
    ['file:///docs/a.md', true],
    ['file:///docs/a/b.md', true],
    ['file:///docs/../etc/passwd', false],
    ['file:///docs/%2e%2e/etc/passwd', false],
    ['file:///docs/%252e%252e/etc/passwd', false],
    ['file:///docs/.%2e/etc/passwd', false],
    ['file:///docs/..%5cetc', false],
    ['file:///docs/a\\..\\..\\etc', false],
    ['file:///docs/./a', false],
    ['file:///docs/%25252525252e', false],
    ['file:///docs/.. /etc', false],
    ['file:///DOCS/a.md', false],
    ['FILE:///docs/a.md', false],
    ['file:///docs', false],
    ['file:///docs-private/a', false],
  ])('%s: %s', (uri, expected) => {
    for (const method of ['resources/read', 'resources/subscribe'])
      expect(may(viewer, method, { uri })).toBe(expected)
    expect(
      may(viewer, 'subscriptions/listen', {
        notifications: { resourceSubscriptions: ['file:///docs/ok', uri] },
      }),
    ).toBe(expected)
  })
})

describe('beside calls', () => {
  test.each<[string, unknown, boolean, boolean]>([
    ['initialize', {}, true, true],
    ['ping', {}, true, true],
    ['logging/setLevel', { level: 'info' }, false, true],
    ['tasks/get', { taskId: '1' }, false, true],
    ['resources/subscribe', {}, false, false],
    ['resources/subscribe', { uri: null }, false, false],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'summarise' } }, false, true],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'hidden' } }, false, false],
    [
      'completion/complete',
      { ref: { type: 'ref/resource', name: 'summarise', uri: 'file:///x' } },
      false,
      false,
    ],
    ['x/reindex', {}, false, false],
    ['x/unknown', {}, false, false],
  ])('%s %j: nobody %s, a viewer %s', (...[method, params, nobody, aViewer]) => {
    expect(may(undefined, method, params)).toBe(nobody)
    expect(may(viewer, method, params)).toBe(aViewer)
  })

  test('a method of somebody’s own needs what is named for it', () => {
    expect(may(admin, 'x/reindex', {})).toBe(true)
  })
})

const context: GuardContext = {
  settings: readSettings({ home: '/nonexistent' }, {}),
  follow: () => undefined,
}

function guardOf(options: AuthoriseOptions): Guard {
  return authorise(options).open(context)
}

const subject = (method: string, principal?: Principal): Subject => ({ tenant: 'default', method, principal })
const listed = (result: object): { jsonrpc: string; id: number; result: object } => ({
  jsonrpc: '2.0',
  id: 1,
  result,
})

describe('lists', () => {
  const tools = ['search', 'create_issue', 'delete_repo', 'unlisted'].map(name => ({ name, inputSchema: {} }))

  test.each<[string, Principal | undefined, string[]]>([
    ['nobody', undefined, []],
    ['a viewer', viewer, ['search']],
    ['an editor', editor, ['search', 'create_issue']],
    ['an admin', admin, ['search', 'create_issue', 'delete_repo']],
  ])('%s is shown what they may call, and may call what they are shown', (_, principal, expected) => {
    const answer = guardOf(team).response?.(
      subject('tools/list', principal),
      listed({ tools, nextCursor: 'n' }),
    )
    expect(answer).toMatchObject({
      message: { id: 1, result: { nextCursor: 'n', tools: expected.map(name => ({ name })) } },
    })
    for (const { name } of tools)
      expect(may(principal, 'tools/call', call(name))).toBe(expected.includes(name))
  })

  test('resources and templates are shown where they lead to what may be read', () => {
    const resources = ['file:///docs/a', 'file:///etc/passwd'].map(uri => ({ uri }))
    const resourceTemplates = ['file:///docs/{path}', 'file:///{path}', 'note://{id}', '{all}'].map(
      uriTemplate => ({ uriTemplate }),
    )
    const answer = filterLists(listed({ resources, resourceTemplates }), use =>
      rules.mayUse(asker(viewer), use),
    )
    expect(answer?.message['result']).toEqual({
      resources: [{ uri: 'file:///docs/a' }],
      resourceTemplates: [{ uriTemplate: 'file:///docs/{path}' }, { uriTemplate: 'note://{id}' }],
    })
  })

  test('a list is one whatever it was asked by, so that two requests of one id hide nothing from the filter', () => {
    const answer = guardOf(team).response?.(subject('tools/call', viewer), listed({ tools }))
    expect(answer).toMatchObject({ message: { result: { tools: [{ name: 'search' }] } } })
  })

  test('a list for one is not kept for all', () => {
    const answer = filterLists(listed({ tools: [], cacheScope: 'public', ttlMs: 5 }), () => true)
    expect(answer?.message['result']).toEqual({ tools: [], cacheScope: 'private', ttlMs: 5 })
  })

  test('what has no name is not shown, and what is no list passes as it is', () => {
    expect(filterLists(listed({ tools: [null, 1, {}, { name: 7 }] }), () => true)?.message['result']).toEqual(
      { tools: [] },
    )
    expect(filterLists(listed({ content: [] }), () => false)).toBeUndefined()
    expect(filterLists({ jsonrpc: '2.0', id: 1, error: { code: 1 } }, () => false)).toBeUndefined()
  })
})

describe('the part', () => {
  test('refuses a hidden tool as it refuses one that is not there, and says nothing of either', () => {
    const guard = guardOf(team)
    const [hidden, unknown] = ['delete_repo', 'no_such_tool'].map(name =>
      guard.request?.(subject('tools/call', viewer), { method: 'tools/call', id: 1, params: call(name) }),
    )
    expect(hidden).toMatchObject({
      refusal: { code: 'ACCESS_DENIED' },
      notes: [{ name: 'authorise', decision: 'deny' }],
    })
    expect(unknown).toMatchObject({ refusal: { code: 'ACCESS_DENIED' } })
    for (const each of [hidden, unknown]) expect(each).toHaveProperty('refusal', { code: 'ACCESS_DENIED' })
  })

  test('in observe mode refuses and hides nothing, and notes what it would have', () => {
    const guard = guardOf({ ...team, mode: 'observe' })
    const params = call('delete_repo')
    const verdict = guard.request?.(subject('tools/call', viewer), { method: 'tools/call', id: 1, params })
    expect(verdict).toEqual({
      notes: [{ name: 'authorise', decision: 'would_deny', reason: expect.any(String) }],
    })
    const answer = guard.response?.(
      subject('tools/list', viewer),
      listed({ tools: [{ name: 'delete_repo' }] }),
    )
    expect(answer).toEqual({
      notes: [{ name: 'authorise', decision: 'would_hide', reason: '1 of 1 not shown' }],
    })
  })
})

describe('options that cannot be meant stop the start', () => {
  test.each<[string, unknown, string]>([
    ['nothing', {}, 'guard.authorise'],
    ['no map', 'admin', 'guard.authorise'],
    ['an unknown name', { ...team, role: {} }, 'guard.authorise.role'],
    ['an unknown access', { ...team, needs: { delete: {} } }, 'needs.delete'],
    ['an unknown kind', { ...team, needs: { read: { tool: ['a'] } } }, 'needs.read.tool'],
    ['an unknown role', { ...team, roles: { root: [{ scopes: ['a'] }] } }, 'roles.root'],
    ['a role of everybody', { ...team, roles: { admin: [{}] } }, 'roles.admin[0]'],
    ['no scopes at all', { ...team, roles: { admin: [{ scopes: [] }] } }, 'roles.admin[0].scopes'],
    [
      'a misspelt condition',
      { ...team, roles: { admin: [{ principal: ['a'] }] } },
      'roles.admin[0].principal',
    ],
    ['needs without anybody', { needs: team.needs }, 'roles'],
    ['everybody as admin', { ...team, anonymous: 'admin' }, 'anonymous'],
    ['a mode that is none', { ...team, mode: 'off' }, 'mode'],
    [
      'one tool with two needs',
      { ...team, needs: { read: { tools: ['a'] }, admin: { tools: ['a'] } } },
      'needs.admin.tools',
    ],
    ['a star in the middle', { ...team, needs: { read: { tools: ['a*b'] } } }, 'needs.read.tools'],
    [
      'a URI that others can continue',
      { ...team, needs: { read: { resources: ['https://a.example*'] } } },
      'needs.read.resources',
    ],
    [
      'a name with an invisible part',
      { ...team, needs: { read: { tools: ['a\u200Bb'] } } },
      'needs.read.tools',
    ],
    ['policies without files', { policies: { files: [] } }, 'policies.files'],
  ])('%s', (_, options, place) => {
    expect(() => authorise(checkAuthorise(options))).toThrow(place)
  })

  test('whatever one value of a good configuration is changed to, nobody gets more than before', () => {
    const paths = [
      'needs',
      'roles',
      'needs.read',
      'needs.write',
      'needs.admin',
      'roles.viewer',
      'roles.editor',
      'roles.admin',
      'mode',
      'anonymous',
    ]
    const junk = fc.oneof(
      fc.constantFrom(null, true, 0, '', '*', [], {}, [[]], ['*'], [{}], 'admin'),
      fc.jsonValue({ maxDepth: 2 }),
    )
    fc.assert(
      fc.property(fc.constantFrom(...paths), junk, (path, value) => {
        const [top = '', inner] = path.split('.')
        const before: Readonly<Record<string, unknown>> = { ...team }
        const part = before[top]
        const changed = inner === undefined || typeof part !== 'object' ? value : { ...part, [inner]: value }
        let guard: Guard
        try {
          guard = guardOf(checkAuthorise({ ...before, [top]: changed }))
        } catch {
          return
        }
        const verdict = guard.request?.(subject('tools/call', who('mallory')), {
          id: 1,
          method: 'tools/call',
          params: call('delete_repo'),
        })
        expect(verdict).toMatchObject({ refusal: { code: 'ACCESS_DENIED' } })
      }),
      { numRuns: 300 },
    )
  })
})
