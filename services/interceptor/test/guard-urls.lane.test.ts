import { describe, expect, test } from 'vitest'
import { validate, type Guard, type ValidateOptions } from '../src/guard/index.ts'
import { readSettings } from '../src/main-env.ts'

const context = { settings: readSettings({ home: '/nonexistent' }, {}), follow: () => undefined }
const subject = { tenant: 'default', method: 'tools/call', target: 'fetch', server: 'web' }

/** Names and their addresses, as somebody who attacks would have them. */
const names: Readonly<Record<string, readonly string[]>> = {
  'www.example.com': ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
  'private.example.com': ['10.1.2.3'],
  'metadata.example.com': ['169.254.169.254'],
  'mixed.example.com': ['93.184.215.14', '127.0.0.1'],
  'six.example.com': ['fd00::1'],
  'mapped.example.com': ['::ffff:192.168.0.1'],
  'translated.example.com': ['64:ff9b::a00:1'],
  'translated-well.example.com': ['64:ff9b::5db8:d70e'],
  'nothing.example.com': [],
}

async function resolve(host: string): Promise<readonly string[]> {
  const found = names[host]
  return found === undefined ? await Promise.reject(new Error('ENOTFOUND')) : await Promise.resolve(found)
}

type Urls = NonNullable<ValidateOptions['urls']>

function open(urls: Urls = {}): Guard {
  return validate({ urls: { resolve, ...urls } }).open(context)
}

async function fault(args: object, guard = open()): Promise<string | undefined> {
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'fetch', arguments: args } }
  const verdict = await guard.request?.(subject, message)
  return verdict?.refusal && verdict.notes[0]?.reason
}

function many(count: number): object {
  return { urls: Array.from({ length: count }, (_, at) => `https://www.example.com/${at}`) }
}

describe('URLs in arguments', () => {
  test.each([
    'https://www.example.com/a?b=c#d',
    'http://www.example.com:8080',
    'www.example.com/path',
    'WWW.EXAMPLE.COM.',
    'https://93.184.215.14/',
    'https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/',
    'https://translated-well.example.com/',
  ])('pass where they lead out: %s', async url => {
    expect(await fault({ url })).toBeUndefined()
  })

  test.each([
    'https://private.example.com/',
    'https://private.example.com./',
    'private.example.com:8443/admin',
    '//private.example.com/',
    '\\\\private.example.com',
    'https://user@private.example.com/',
    'https://www.example.com@private.example.com/',
    'https:private.example.com',
    'ＰＲＩＶＡＴＥ.example.com',
    'https://metadata.example.com/latest/meta-data',
    'https://mixed.example.com/',
    'https://six.example.com/',
    'https://mapped.example.com/',
    'https://translated.example.com/',
    'https://nothing.example.com/',
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://0/',
    'http://169.254.169.254/',
    'http://100.64.0.1/',
    'http://255.255.255.255/',
    'http://224.0.0.1/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::127.0.0.1]/',
    'http://[fe80::1]/',
    'http://[fd00::1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:db8::1]/',
    'http://[ff02::1]/',
  ])('are refused where they lead inside, however that is written: %s', async url => {
    expect(await fault({ url })).toBe('url_private')
  })

  test.each([
    ['gopher://www.example.com/', 'url_scheme'],
    ['file:///etc/passwd', 'url_scheme'],
    ['javascript:alert(1)', 'url_scheme'],
    ['https://unknown.example.com/', 'url_unresolved'],
    ['https://', 'url_unreadable'],
    ['https://a b/', 'url_unreadable'],
  ])('are refused where nobody can tell: %s', async (url, reason) => {
    expect(await fault({ url })).toBe(reason)
  })

  test('are found under names of that role, in lists and deep inside', async () => {
    const url = 'http://127.0.0.1/'
    for (const args of [
      { callbackUrl: url },
      { web_hook: 'x', webhook: url },
      { links: ['https://www.example.com/', url] },
      { a: [{ b: { base_uri: url } }] },
    ])
      expect(await fault(args)).toBe('url_private')
    expect(await fault({ text: url })).toBeUndefined()
    expect(await fault({ text: url }, open({ parameters: ['text'] }))).toBe('url_private')
  })

  test('pass for hosts that were allowed by name, and only for those', async () => {
    const guard = open({ allow: ['Private.example.com'] })
    expect(await fault({ url: 'https://private.example.com/' }, guard)).toBeUndefined()
    expect(await fault({ url: 'https://metadata.example.com/' }, guard)).toBe('url_private')
    expect(() => open({ allow: ['https://private.example.com'] })).toThrow(/no host name/u)
  })

  test('are asked for once each, and no more than sixteen', async () => {
    let asked = 0
    const counting = open({ resolve: async host => (asked++, await resolve(host)) })
    expect(
      await fault({ urls: Array.from({ length: 100 }, () => 'www.example.com') }, counting),
    ).toBeUndefined()
    expect(asked).toBe(1)
    expect(await fault(many(16), counting)).toBeUndefined()
    expect(await fault(many(17), counting)).toBe('too_many_urls')
  })

  test('do not pile up behind names that take long', async () => {
    const slow = open({ resolve: async () => await new Promise<never>(() => undefined) })
    const waiting = Array.from(
      { length: 33 },
      async () => await fault({ url: 'https://slow.example.com/' }, slow),
    )
    const outcomes = await Promise.all(waiting)
    expect(outcomes.filter(one => one === 'url_busy')).toHaveLength(1)
    expect(outcomes.filter(one => one === 'url_unresolved')).toHaveLength(32)
  })

  test('are resolved as this machine does where nobody says otherwise', async () => {
    const guard = validate({ urls: {} }).open(context)
    expect(await fault({ url: 'http://localhost:3000/' }, guard)).toBe('url_private')
  })
})
