import type { Policy } from '@muniment/pii'
import { describe, expect, test } from 'vitest'
import { needMasking } from '../src/guard/compose.ts'
import type { Guard, Subject } from '../src/guard/guard.ts'
import { maskBeforeModel, type MaskBeforeModelOptions } from '../src/guard/index.ts'
import { readSettings } from '../src/main-env.ts'
import { keepText } from '../src/wire-text.ts'
import { textMember, type Members } from '../src/json.ts'

// No letters of a token are in the name: tokens are made of a to f and q to z.
const mail = 'olga@example.org'
const token = /\[EMAIL:[a-z]{32}\]/u

function open(options: MaskBeforeModelOptions = {}, env: Record<string, string> = {}): Guard {
  return maskBeforeModel(options).open({ settings: readSettings({}, env), follow: () => undefined })
}

/** One request of a client, and what the server then says. */
interface Line {
  readonly session?: string
  readonly principal?: string
  readonly header?: string
  readonly method?: string
  readonly params?: Members
}

function subjectOf({ session = 's1', principal, header, method = 'tools/call', params }: Line): Subject {
  const name = params?.['name']
  return {
    tenant: 'acme',
    method,
    channelId: 'c1',
    sessionId: session,
    target: typeof name === 'string' ? name : undefined,
    ...(principal !== undefined && { principal: { id: principal, method: 'oauth' } }),
    header: field => (field === 'x-mask-pii-before-llm' ? header : undefined),
  }
}

interface Told {
  readonly message: Members
  readonly notes: readonly {
    readonly name: string
    readonly decision: string
    readonly reason?: string | undefined
  }[]
}

async function ask(guard: Guard, line: Line): Promise<Told & { readonly subject: Subject }> {
  const subject = subjectOf(line)
  const message = { jsonrpc: '2.0', id: 1, method: subject.method, params: line.params ?? { name: 'find' } }
  const verdict = await guard.request?.(subject, message)
  return { subject, message: verdict?.message ?? message, notes: verdict?.notes ?? [] }
}

/** What the model gets for a server's answer. */
async function answered(guard: Guard, line: Line, answer: Members): Promise<Told> {
  const { subject } = await ask(guard, line)
  const message = { jsonrpc: '2.0', id: 1, ...answer }
  const rewriting = await guard.response?.(subject, message)
  return { message: rewriting?.message ?? message, notes: rewriting?.notes ?? [] }
}

async function resultOf(guard: Guard, result: unknown, line: Line = {}): Promise<unknown> {
  return (await answered(guard, line, { result })).message['result']
}

/** Whatever else is said, in a direction. */
async function said(
  guard: Guard,
  direction: 'client_to_server' | 'server_to_client',
  message: Members,
): Promise<Members> {
  const rewriting = await guard.other?.(
    subjectOf({ method: textMember(message, 'method') ?? '' }),
    message,
    direction,
  )
  return rewriting?.message ?? message
}

const carriers: Record<string, Members> = {
  'text of a result': { result: { content: [{ type: 'text', text: `write to ${mail}` }] } },
  'JSON in a text': { result: { content: [{ type: 'text', text: JSON.stringify({ a: [{ mail }] }) }] } },
  'an embedded resource': {
    result: { content: [{ type: 'resource', resource: { uri: 'a:b', text: mail } }] },
  },
  'structured content': { result: { content: [], structuredContent: { mail } } },
  'a key of structured content': { result: { content: [], structuredContent: { [mail]: 1 } } },
  'a tool that failed': { result: { isError: true, content: [{ type: 'text', text: `no ${mail}` }] } },
  'the message of an error': { error: { code: -32_000, message: `no ${mail}` } },
  'the data of an error': { error: { code: -32_000, message: 'no', data: { who: [mail] } } },
  'a resource': { result: { contents: [{ uri: 'a:b', text: mail }] } },
  'a prompt': {
    result: { messages: [{ role: 'user', content: { type: 'text', text: mail } }], description: mail },
  },
  'the address of a link': {
    result: { content: [{ type: 'resource_link', uri: `crm://contact/${mail}`, name: mail }] },
  },
  'a list of resources': { result: { resources: [{ uri: 'a:b', name: mail, description: mail }] } },
  'a question of a later round': {
    result: {
      resultType: 'input_required',
      inputRequests: { a: { method: 'elicitation/create', params: { message: `Send to ${mail}?` } } },
    },
  },
  'a field that no revision knows': { result: { content: [], extra: { deep: [[mail]] } } },
}

const base64 = (text: string, encoding: 'utf8' | 'latin1' = 'utf8'): string =>
  Buffer.from(text, encoding).toString('base64')

describe('what a server answers', () => {
  test.each(Object.entries(carriers))('is masked in %s', async (_, answer) => {
    const { message, notes } = await answered(open(), {}, answer)
    expect(JSON.stringify(message)).not.toContain('olga')
    expect(JSON.stringify(message)).toMatch(/\[EMAIL:[a-z]{32}\]|[a-z]{32}@masked\.invalid/u)
    expect(notes).toMatchObject([{ name: 'mask/before_llm', decision: 'masked' }])
    expect(JSON.stringify(notes)).not.toContain('olga')
  })

  test.each(['initialize', 'server/discover', 'tools/list', 'prompts/list', 'resources/templates/list'])(
    'is left alone where it is a definition: %s',
    async method => {
      const result = { tools: [{ name: 'a', description: `Ask ${mail}`, inputSchema: { default: mail } }] }
      expect(await resultOf(open(), result, { method })).toEqual(result)
      const { message } = await answered(open(), { method }, { error: { code: 1, message: mail } })
      expect(JSON.stringify(message)).not.toContain('olga')
    },
  )

  test('keeps what both sides need of the protocol', async () => {
    const fields = {
      id: mail,
      result: {
        content: [{ type: 'text', text: 'x', _meta: { a: mail } }],
        _meta: { progressToken: mail },
        nextCursor: mail,
        requestState: mail,
        inputRequests: { [`q`]: { method: 'elicitation/create' } },
      },
    }
    expect((await answered(open(), {}, fields)).message).toEqual({ jsonrpc: '2.0', ...fields })
  })

  test('is masked where only the name of a field looks like one of the protocol', async () => {
    const structuredContent = {
      _meta: { mail },
      result: { _meta: mail },
      nextCursor: mail,
      items: [{ _meta: mail }],
    }
    expect(JSON.stringify(await resultOf(open(), { content: [], structuredContent }))).not.toContain('olga')
    const asList = { content: [], structuredContent: [{ _meta: mail }] }
    expect(JSON.stringify(await resultOf(open(), asList))).not.toContain('olga')
  })

  test('stays base64 where it was, and is masked behind it', async () => {
    const picture = Buffer.from([
      0xff,
      0xd8,
      0,
      0,
      ...Array.from({ length: 500 }, (_, n) => (n * 73) % 256),
    ]).toString('base64')
    const result = await resultOf(open(), {
      contents: [
        { uri: 'a:b', blob: base64(`To ${mail}, in short`) },
        { uri: 'a:c', blob: base64(`M\u00fcller ${mail}`, 'latin1') },
      ],
      content: [
        { type: 'image', data: picture, mimeType: 'image/jpeg' },
        { type: 'resource', resource: { uri: 'a:d', blob: base64(`{"mail":"${mail}"}`) } },
      ],
      messages: [{ role: 'user', content: { type: 'audio', data: base64(mail) } }],
    })
    const all = JSON.stringify(result)
    const texts = Array.from(all.matchAll(/"(?:blob|data)":"([^"]*)"/gu), ([, blob = '']) =>
      Buffer.from(blob, 'base64').toString('latin1'),
    )
    expect(all).toContain(picture)
    expect(texts).toHaveLength(5)
    expect(texts.filter(text => token.test(text))).toHaveLength(4)
    expect(texts.join(' ')).not.toContain('olga')
    expect(texts[1]).toMatch(/^M\u00fcller \[EMAIL/u)
    for (const [, blob = ''] of all.matchAll(/"(?:blob|data)":"([^"]*)"/gu))
      expect(Buffer.from(blob, 'base64').toString('base64')).toBe(blob)
  })

  test('goes on as the object that it was where nothing is found', async () => {
    const guard = open()
    const { subject } = await ask(guard, {})
    const rewriting = await guard.response?.(subject, { jsonrpc: '2.0', id: 1, result: { content: [] } })
    expect(rewriting).toEqual({
      notes: [{ name: 'mask/before_llm', decision: 'nothing_found', reason: 'by policy' }],
    })
  })
})

function tokenIn(value: unknown): string {
  const found = /\[[A-Z_]+:[a-z]{32}\]|[a-z]{32}@masked\.invalid/u.exec(JSON.stringify(value))
  if (found === null) throw new Error('No token was given.')
  return found[0]
}

/** Lets a tool's answer by, and gives the token that stands in it for the address. */
async function issued(guard: Guard, line: Line = {}): Promise<string> {
  return tokenIn(await resultOf(guard, { content: [{ type: 'text', text: `write to ${mail}` }] }, line))
}

/** The argument as the server gets it. */
async function argument(guard: Guard, value: unknown, line: Line = {}): Promise<unknown> {
  const { message } = await ask(guard, { ...line, params: { name: 'send', arguments: { to: value } } })
  return JSON.parse(JSON.stringify(message)).params.arguments.to
}

const vouchedBy = (issuer: string): Subject => ({
  ...subjectOf({}),
  principal: { id: 'olga', method: 'oauth', issuer },
})

const ofServer = (server: string): Subject => ({ ...subjectOf({}), server })

describe('a round trip', () => {
  test('restores tokens in later arguments of the same conversation', async () => {
    const guard = open()
    const given = await issued(guard)
    const { message, notes } = await ask(guard, {
      params: { name: 'send', arguments: { to: given, body: JSON.stringify({ cc: [given] }) } },
    })
    expect(message).toEqual({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'send', arguments: { to: mail, body: JSON.stringify({ cc: [mail] }) } },
    })
    expect(notes).toEqual([{ name: 'mask/restore', decision: 'restored', reason: '2 restored' }])
  })

  test.each<[string, Members]>([
    ['prompts/get', { name: 'p', arguments: { who: '$' } }],
    ['resources/read', { uri: 'crm://contact/$' }],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'who', value: '$' } },
    ],
    [
      'tools/call',
      { name: 'a', arguments: {}, inputResponses: { q: { action: 'accept', content: { to: '$' } } } },
    ],
  ])('restores in %s', async (method, params) => {
    const guard = open()
    const fill = (value: string): Members => JSON.parse(JSON.stringify(params).replaceAll('$', value))
    const { message } = await ask(guard, { method, params: fill(await issued(guard)) })
    expect(message['params']).toEqual(fill(mail))
  })

  test('leaves the fields of the protocol alone on the way back too', async () => {
    const guard = open()
    const given = await issued(guard)
    const params = { name: given, _meta: { progressToken: given }, requestState: given }
    expect((await ask(guard, { params })).message['params']).toEqual(params)
  })

  test.each<[string, Line]>([
    ['another principal', { principal: 'eve' }],
    ['nobody in particular', {}],
    ['another session', { principal: 'olga', session: 's2' }],
  ])('gives nothing to %s', async (_, line) => {
    const guard = open()
    const given = await issued(guard, { principal: 'olga' })
    expect(await argument(guard, given, line)).toBe(given)
    expect(await argument(guard, given, { principal: 'olga' })).toBe(mail)
  })

  test('tells principals apart by who vouches for them', async () => {
    const guard = open()
    const mine = vouchedBy('https://a.example')
    await guard.request?.(mine, { id: 1, method: 'tools/call' })
    const masked = await guard.response?.(mine, { id: 1, result: { content: [{ text: mail }] } })
    const message = { id: 2, method: 'tools/call', params: { arguments: tokenIn(masked) } }
    expect((await guard.request?.(vouchedBy('https://b.example'), message))?.message).toBeUndefined()
    expect(
      JSON.stringify((await guard.request?.(vouchedBy('https://a.example'), message))?.message),
    ).toContain(mail)
  })

  test.each([
    ['an escape', (given: string) => given.replace('[', '\\u005b')],
    ['an escape inside', (given: string) => given.replace('E', '\\u0045')],
  ])('restores a token that is spelled with %s', async (_, spell) => {
    const guard = open()
    const message = JSON.parse(`{"id":2,"method":"tools/call","params":{"arguments":{"to":"$"}}}`)
    const text = JSON.stringify(message).replace('$', spell(await issued(guard)))
    const verdict = await guard.request?.(subjectOf({}), keepText(message, text))
    expect(JSON.stringify(verdict?.message)).toContain(mail)
  })

  test('gives nothing for tokens that were made up, changed, or given by another guard', async () => {
    const guard = open()
    const given = await issued(guard)
    for (const one of [`[EMAIL:${'a'.repeat(32)}]`, given.replace(/[a-z]\]/u, 'z]'), await issued(open())])
      if (one !== given) expect(await argument(guard, one)).toBe(one)
    const { notes } = await ask(guard, { params: { arguments: `[EMAIL:${'a'.repeat(32)}]` } })
    expect(notes).toMatchObject([{ name: 'mask/restore', decision: 'not_restored' }])
  })

  test('gives nothing to another server', async () => {
    const guard = open()
    const crm = ofServer('crm')
    await guard.request?.(crm, { id: 1, method: 'tools/call' })
    const masked = await guard.response?.(crm, { id: 1, result: { content: [{ text: mail }] } })
    const message = { id: 2, method: 'tools/call', params: { arguments: tokenIn(masked) } }
    expect((await guard.request?.(ofServer('evil'), message))?.message).toBeUndefined()
  })

  test('ends with its time', async () => {
    const guard = open({ roundTrip: { ttlMs: -1 } })
    const given = await issued(guard)
    expect(await argument(guard, given)).toBe(given)
  })

  test('can be left out: then what is found is removed', async () => {
    const result = await resultOf(open({ roundTrip: false }), { content: [{ type: 'text', text: mail }] })
    expect(result).toEqual({ content: [{ type: 'text', text: '[EMAIL]' }] })
  })
})

const callWith = (meta: Members | undefined): Members => ({
  id: 1,
  method: 'tools/call',
  params: { name: 'a', ...(meta && { _meta: meta }) },
})

const version = 'io.modelcontextprotocol/protocolVersion'

describe('a conversation', () => {
  const modern = (baggage?: string): Members =>
    callWith({ [version]: '2026-07-28', ...(baggage !== undefined && { baggage }) })
  const stdio: Subject = { tenant: 'acme', method: 'tools/call', channelId: 'c9' }
  const http: Subject = { ...stdio, header: () => undefined }
  const olga: Subject = { ...http, principal: { id: 'olga', method: 'api_key' } }
  const named = 'gen_ai.conversation.id=c-1'

  test.each<[string, readonly [isOne: boolean, subject: Subject, message: Members]]>([
    ['is the session of the legacy era', [true, { ...http, sessionId: 's' }, callWith(undefined)]],
    ['is no connection that was not initialised', [false, stdio, callWith(undefined)]],
    ['is no connection of the modern era', [false, { ...stdio, channelId: 'begun' }, modern()]],
    ['is no session of the modern era', [false, { ...olga, sessionId: 's' }, modern()]],
    ['is a connection that was initialised', [true, { ...stdio, channelId: 'begun' }, callWith(undefined)]],
    ['is what a verified principal names', [true, olga, modern(named)]],
    ['is what the one process behind a pipe names', [true, stdio, modern(named)]],
    ['is nothing that somebody unknown names over HTTP', [false, http, modern(named)]],
    ['is no name without end', [false, olga, modern(`gen_ai.conversation.id=${'x'.repeat(600)}`)]],
  ])('%s', async (_, [isOne, subject, message]) => {
    const guard = open()
    const begun: Subject = { tenant: 'acme', method: 'initialize', channelId: 'begun' }
    await guard.request?.(begun, { id: 0, method: 'initialize' })
    await guard.request?.(subject, message)
    const masked = await guard.response?.(subject, { id: 1, result: { content: [{ text: mail }] } })
    expect(JSON.stringify(masked?.message)).toMatch(isOne ? token : /"\[EMAIL\]"/u)
  })

  test('may be named by the operator', async () => {
    const guard = open({ roundTrip: { conversation: () => 'mine' } })
    await guard.request?.(olga, modern())
    const masked = await guard.response?.(olga, { id: 1, result: { content: [{ text: mail }] } })
    expect(JSON.stringify(masked)).toMatch(token)
  })
})

describe('what servers ask and tell meanwhile', () => {
  test.each<[string, Members]>([
    [
      'sampling',
      {
        id: 5,
        method: 'sampling/createMessage',
        params: { systemPrompt: mail, messages: [{ role: 'user', content: { type: 'text', text: mail } }] },
      },
    ],
    [
      'elicitation',
      {
        id: 5,
        method: 'elicitation/create',
        params: {
          message: `Send to ${mail}?`,
          requestedSchema: { properties: { to: { type: 'string', format: 'email', default: mail } } },
        },
      },
    ],
    [
      'progress',
      {
        method: 'notifications/progress',
        params: { progressToken: mail, progress: 1, message: `reading ${mail.replace('olga', 'bob')}` },
      },
    ],
    ['a log', { method: 'notifications/message', params: { level: 'info', data: { who: mail } } }],
    [
      'a changed resource',
      { method: 'notifications/resources/updated', params: { uri: `crm://contact/${mail}` } },
    ],
  ])('is masked: %s', async (name, message) => {
    const told = await said(open(), 'server_to_client', { jsonrpc: '2.0', ...message })
    expect(JSON.stringify(told)).not.toMatch(name === 'progress' ? /bob/u : /olga/u)
    if (name === 'progress') expect(told['params']).toMatchObject({ progressToken: mail, progress: 1 })
    expect(told['id']).toBe(message['id'])
  })

  test('comes back to them with tokens restored: what a model says, and what a person chose', async () => {
    const guard = open()
    await ask(guard, {})
    const question = {
      id: 5,
      method: 'elicitation/create',
      params: {
        message: 'to?',
        requestedSchema: { properties: { to: { type: 'string', format: 'email', enum: [mail] } } },
      },
    }
    const offered = tokenIn(await said(guard, 'server_to_client', question))
    expect(offered).toMatch(/^[a-z]{32}@masked\.invalid$/u)
    const choice = { id: 5, result: { action: 'accept', content: { to: offered } } }
    expect(await said(guard, 'client_to_server', choice)).toEqual({
      id: 5,
      result: { action: 'accept', content: { to: mail } },
    })
    const words = {
      id: 6,
      result: {
        role: 'assistant',
        model: 'm',
        content: { type: 'text', text: `Wrote to ${await issued(guard)}.` },
      },
    }
    expect(JSON.stringify(await said(guard, 'client_to_server', words))).toContain(`Wrote to ${mail}.`)
  })

  test('passes to a server as it is: what a person typed', async () => {
    const typed = { id: 5, result: { action: 'accept', content: { to: mail } } }
    expect(await said(open(), 'client_to_server', typed)).toBe(typed)
  })
})

interface Case {
  readonly options?: MaskBeforeModelOptions
  readonly env?: string
  readonly header?: string
  readonly principal?: string
  readonly isMasked: boolean
  readonly by?: string
}

describe('who decides', () => {
  const asked: MaskBeforeModelOptions = { mask: false }
  const relaxing: MaskBeforeModelOptions = { relaxFor: ['ops'] }

  test.each<Case>([
    { isMasked: true, by: 'policy' },
    { env: 'false', isMasked: true, by: 'policy' },
    { options: asked, isMasked: false },
    { options: asked, env: 'true', isMasked: true, by: 'setting' },
    { options: asked, header: 'true', isMasked: true, by: 'header' },
    { options: asked, env: 'false', header: 'on', isMasked: true, by: 'header' },
    { options: asked, header: 'false', isMasked: false },
    { options: asked, header: 'maybe', isMasked: true, by: 'header' },
    { options: asked, header: 'false, true', isMasked: true, by: 'header' },
    { options: asked, header: '', isMasked: true, by: 'header' },
    { header: 'false', isMasked: true, by: 'policy; a header that asked for less was ignored' },
    {
      header: 'false',
      principal: 'ops',
      isMasked: true,
      by: 'policy; a header that asked for less was ignored',
    },
    { options: relaxing, header: 'false', isMasked: true, by: 'policy; a header' },
    { options: relaxing, header: 'false', principal: 'eve', isMasked: true, by: 'policy; a header' },
    { options: relaxing, header: 'false', principal: 'ops', isMasked: false, by: 'header' },
    { options: relaxing, header: 'no such', principal: 'ops', isMasked: true, by: 'policy' },
    { options: relaxing, principal: 'ops', isMasked: true, by: 'policy' },
    { options: { relaxFor: ['*'] }, header: 'off', isMasked: false, by: 'header' },
    {
      options: { ...asked, ...relaxing },
      env: 'true',
      header: 'false',
      principal: 'ops',
      isMasked: false,
      by: 'header',
    },
  ])(
    '$options, setting $env, header $header of $principal: $isMasked',
    async ({ options, env, isMasked, by, ...line }) => {
      const guard = open(options, env === undefined ? {} : { MASK_PII_BEFORE_LLM: env })
      const { message, notes } = await answered(guard, line, { result: { content: [{ text: mail }] } })
      expect(JSON.stringify(message).includes(mail)).toBe(!isMasked)
      if (by === undefined) expect(notes).toEqual([])
      else
        expect(notes).toMatchObject([
          { decision: isMasked ? 'masked' : 'off', reason: expect.stringContaining(`by ${by}`) },
        ])
    },
  )

  test.each(['https://id.example|ops', 'ops'])('%s is nobody whom somebody else vouches for', async name => {
    const guard = open({ relaxFor: [name] })
    const evil = { id: 'ops', method: 'oauth', issuer: 'https://evil.example' }
    const subject: Subject = { ...subjectOf({ header: 'false' }), principal: evil }
    await guard.request?.(subject, { id: 1, method: 'tools/call' })
    const told = await guard.response?.(subject, { id: 1, result: mail })
    expect(JSON.stringify(told)).not.toContain('olga')
    expect(told?.notes).toMatchObject([{ decision: 'masked' }])
  })

  test('what belongs to no request is masked once a request of the connection asked for it, and never less', async () => {
    const log = { method: 'notifications/message', params: { data: mail } }
    const guard = open(asked)
    expect(JSON.stringify(await said(guard, 'server_to_client', log))).toContain(mail)
    await ask(guard, { header: 'true' })
    await ask(guard, { header: 'false' })
    expect(JSON.stringify(await said(guard, 'server_to_client', log))).not.toContain(mail)
    const relaxed = open({ relaxFor: ['*'] })
    await ask(relaxed, { header: 'false' })
    expect(JSON.stringify(await said(relaxed, 'server_to_client', log))).not.toContain(mail)
  })

  test.each([
    ['a setting that is neither', () => open({}, { MASK_PII_BEFORE_LLM: 'yes' })],
    ['a setting that nobody does', () => needMasking({ maskBeforeLlm: true }, [])],
    ['a policy that masks nothing', () => open({ policy: { otherwise: { kind: 'keep' } } })],
    [
      'a kind that is none',
      () => open({ policy: { rules: [{ types: ['EMIAL'], action: { kind: 'remove' } }] } }),
    ],
    ['a store without keys', () => open({ roundTrip: { store: { put: () => undefined, get: () => [] } } })],
  ])('%s stops the start', (_, start) => {
    expect(start).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

describe('a policy', () => {
  test('decides by kind, tool and path', async () => {
    const policy: Policy = {
      rules: [
        { types: ['CREDIT_CARD'], action: { kind: 'mask', keepLast: 4 } },
        { types: ['EMAIL'], tools: ['find'], paths: ['**.support'], action: { kind: 'keep' } },
        { surfaces: ['archive'], action: { kind: 'keep' } },
      ],
    }
    const line = { params: { name: 'find' } }
    const content = [{ text: JSON.stringify({ card: '4111 1111 1111 1111', support: mail, other: mail }) }]
    const { message, notes } = await answered(open({ policy }), line, { result: { content } })
    expect(JSON.parse(JSON.parse(JSON.stringify(message)).result.content[0].text)).toEqual({
      card: '[CREDIT_CARD ***1111]',
      support: mail,
      other: expect.stringMatching(token),
    })
    expect(notes).toMatchObject([{ reason: 'by policy; CREDIT_CARD 1, EMAIL 1' }])
  })
})

const deep = (levels: number): unknown => {
  let value: unknown = mail
  for (let n = 0; n < levels; n++) value = [value]
  return value
}

describe('what cannot be masked', () => {
  test.each<[string, MaskBeforeModelOptions, () => unknown]>([
    ['too long', { maxCharacters: 100 }, () => 'x'.repeat(200)],
    ['too deep', {}, () => deep(200_000)],
    ['nothing that can be written', {}, () => 10n],
  ])('never goes on: %s', async (_, options, result) => {
    const guard = open(options)
    const { subject } = await ask(guard, {})
    await expect((async () => guard.response?.(subject, { id: 1, result: result() }))()).rejects.toThrow()
  })

  test('nor does what a vault does not take', async () => {
    const guard = open({
      roundTrip: {
        store: { put: async () => Promise.reject(new Error('full')), get: () => [] },
        keys: () => ({ idOf: () => 'ab'.repeat(16), seal: () => 'x', open: () => undefined }),
      },
    })
    await expect(resultOf(guard, { content: [{ text: mail }] })).rejects.toThrow('full')
  })
})
