import { describe, expect, test } from 'vitest'
import { reduceErrors, type ErrorOptions, type Rewriting, type Subject } from '../src/guard/index.ts'
import type { Members } from '../src/json.ts'
import { readSettings } from '../src/main-env.ts'

const context = { settings: readSettings({ home: '/nonexistent' }, {}), follow: () => undefined }
const subject: Subject = { tenant: 'default', method: 'tools/call', target: 'read' }
const secret = 'ENOENT /srv/app/secret.pem at handler.js:12 of alice@example.com'

function reduce(message: Members, options: ErrorOptions = {}, about = subject): Rewriting | undefined {
  const { response } = reduceErrors({ newId: () => 'id-1', ...options }).open(context)
  const said = response?.(about, { jsonrpc: '2.0', id: 7, ...message })
  if (said instanceof Promise) throw new TypeError('errors are reduced at once')
  return said
}

const toolError = {
  result: { content: [{ type: 'text', text: secret }], structuredContent: { secret }, isError: true },
}

describe('probing a server with what makes it fail', () => {
  test.each<[string, Members, Members]>([
    [
      'an exception',
      { error: { code: -32_603, message: secret, data: { stack: secret } } },
      { code: -32_603, message: 'SERVICE_ERROR', data: { correlationId: 'id-1' } },
    ],
    [
      'an error of its own',
      { error: { code: 4711, message: secret } },
      { code: -32_603, message: 'SERVICE_ERROR' },
    ],
    ['no error at all', { error: secret }, { code: -32_603, message: 'SERVICE_ERROR' }],
    [
      'arguments that do not fit',
      { error: { code: -32_602, message: secret, data: secret } },
      { code: -32_602, message: 'Invalid params' },
    ],
    [
      'an unknown method',
      { error: { code: -32_601, message: secret } },
      { code: -32_601, message: 'Method not found' },
    ],
  ])('by %s tells nothing of its insides', (_, message, error) => {
    const said = reduce(message)
    expect(said?.message).toMatchObject({ jsonrpc: '2.0', id: 7, error })
    expect(JSON.stringify(said)).not.toContain('ENOENT')
    expect(said?.notes).toEqual([{ name: 'errors', decision: 'reduce', reason: 'id-1' }])
  })

  test('by a failing tool tells nothing either, unless its errors are for models to read', () => {
    const said = reduce(toolError)
    expect(said?.message).toEqual({
      jsonrpc: '2.0',
      id: 7,
      result: { isError: true, content: [{ type: 'text', text: 'SERVICE_ERROR (correlation id id-1)' }] },
    })
    expect(reduce(toolError, { toolErrors: 'keep' })).toBeUndefined()
  })
})

test.each<[string, Members]>([
  ['a result', { result: { content: [{ type: 'text', text: secret }] } }],
  ['a question', { result: { resultType: 'input_required', inputRequests: {} } }],
])('%s passes as it is', (_, message) => {
  expect(reduce(message)).toBeUndefined()
})

test('what a client needs to go on is kept', () => {
  const data = { supported: ['2026-07-28'], requested: '1999-01-01' }
  expect(reduce({ error: { code: -32_022, message: secret, data } })?.message).toMatchObject({
    error: { data },
  })
})

test.each([
  ['the one that was asked for', 'file:///a', { uri: 'file:///a', correlationId: 'id-1' }],
  ['another', secret, { correlationId: 'id-1' }],
])('of a resource that is not there the caller learns the URI, where it is %s', (_, uri, data) => {
  const about = { ...subject, method: 'resources/read', target: 'file:///a' }
  const said = reduce({ error: { code: -32_602, message: secret, data: { uri } } }, {}, about)
  expect(said?.message).toMatchObject({ error: { message: 'Invalid params' } })
  expect(said?.message?.['error']).toHaveProperty('data', data)
})
