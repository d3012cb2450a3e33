import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { validate, type Guard, type Subject, type ValidateOptions, type Verdict } from '../src/guard/index.ts'
import { readSettings } from '../src/main-env.ts'

const context = { settings: readSettings({ home: '/nonexistent' }, {}), follow: () => undefined }

function open(options: ValidateOptions = {}): Guard {
  return validate(options).open(context)
}

function subject(more: Partial<Subject> = {}): Subject {
  return { tenant: 'default', method: 'tools/call', target: 'write', server: 'files', ...more }
}

async function verdictOn(
  guard: Guard,
  args: unknown,
  more: Partial<Subject> = {},
): Promise<Verdict | undefined> {
  const about = subject(more)
  const params = about.method === 'tools/call' ? { name: about.target, arguments: args } : args
  return await guard.request?.(about, { jsonrpc: '2.0', id: 1, method: about.method, params })
}

/** Why arguments are refused; `undefined` where they pass. */
async function fault(guard: Guard, args: unknown, more: Partial<Subject> = {}): Promise<string | undefined> {
  const verdict = await verdictOn(guard, args, more)
  return verdict?.refusal === undefined ? undefined : verdict.notes[0]?.reason
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let count = 0; count < depth; count++) value = [value]
  return value
}

function many(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, at]))
}

describe('the shape of arguments', () => {
  const guard = open()

  test.each<[string, unknown, string | undefined]>([
    ['a text of 10,000', { text: 'a'.repeat(10_000) }, undefined],
    ['one that is longer', { text: 'a'.repeat(10_001) }, 'string_too_long'],
    ['one that lies deep', { a: [{ b: 'a'.repeat(10_001) }] }, 'string_too_long'],
    ['50 parameters', many(50), undefined],
    ['51 parameters', many(51), 'too_many_parameters'],
    ['20 levels', { a: nested(20) }, undefined],
    ['40 levels', { a: nested(40) }, 'too_deep'],
    ['20,000 levels', { a: nested(20_000) }, 'too_deep'],
    ['many small texts', { a: Array.from({ length: 500 }, () => 'a'.repeat(9000)) }, 'too_large'],
    ['the prototype', JSON.parse('{"__proto__":{"isAdmin":true}}'), 'parameter_name'],
    ['a constructor', { constructor: 1 }, 'parameter_name'],
    ['a name with spaces', { 'a b; rm': 1 }, 'parameter_name'],
    ['a name that cannot be seen', { 'path\u200B': 1 }, 'parameter_name'],
    ['a name in other letters', { раth: 1 }, 'parameter_name'],
  ])('with %s', async (_, args, expected) => {
    expect(await fault(guard, args)).toBe(expected)
  })

  test('is bounded in other requests too', async () => {
    const more = { method: 'prompts/get' }
    expect(await fault(guard, { name: 'x', arguments: many(51) }, more)).toBe('too_many_parameters')
    expect(await fault(guard, { uri: 'x'.repeat(10_001) }, { method: 'resources/read' })).toBe(
      'string_too_long',
    )
  })
})

describe('the schema of a tool', () => {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: 'https://example.com/write',
    $async: true,
    type: 'object',
    properties: { path: { type: 'string' }, count: { type: 'integer', maximum: 9 } },
    required: ['path'],
  }
  const list = { jsonrpc: '2.0', id: 1, result: { tools: [{ name: 'write', inputSchema: schema }] } }

  function taught(options: ValidateOptions = {}): Guard {
    const guard = open(options)
    void guard.response?.(subject({ method: 'tools/list', target: undefined }), list)
    return guard
  }

  test.each<[string, unknown, string | undefined]>([
    ['what fits', { path: 'a', count: 3 }, undefined],
    ['another type', { path: 7 }, 'schema_type'],
    ['a type that would be converted', { path: 'a', count: '3' }, 'schema_type'],
    ['too much', { path: 'a', count: 10 }, 'schema_maximum'],
    ['what is missing', {}, 'schema_required'],
    ['no arguments', undefined, 'schema_required'],
    ['what nobody asked for', { path: 'a', admin: true }, 'unknown_parameter'],
  ])('as a server lists it: %s', async (_, args, expected) => {
    expect(await fault(taught(), args)).toBe(expected)
  })

  test('is that of the tool’s own server', async () => {
    expect(await fault(taught(), { path: 7 }, { server: 'another' })).toBeUndefined()
  })

  test('may be open, where it says so, or the guard does', async () => {
    const admin = { path: 'a', admin: true }
    expect(await fault(taught({ unknownParameters: 'pass' }), admin)).toBeUndefined()
    expect(
      await fault(open({ tools: { write: { ...schema, additionalProperties: true } } }), admin),
    ).toBeUndefined()
  })

  test('that was given is not replaced by what a server lists later', async () => {
    const guard = taught({ tools: { write: { type: 'object', properties: { path: { const: 'a' } } } } })
    expect(await fault(guard, { path: 'b' })).toBe('schema_const')
  })

  test('that is not known, or is none, refuses the tool where that was asked for', async () => {
    const guard = taught({ unlisted: 'refuse', tools: { broken: { type: 'no such type', properties: 7 } } })
    expect(await fault(guard, {}, { target: 'hidden' })).toBe('unlisted_tool')
    expect(await fault(guard, { path: 'a' })).toBeUndefined()
    expect(await fault(open(), {}, { target: 'hidden' })).toBeUndefined()
  })
})

describe('paths', () => {
  let root: string
  let guard: Guard
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'muniment-paths-'))
    root = join(folder, 'root')
    await mkdir(join(root, 'inside'), { recursive: true })
    await writeFile(join(folder, 'secret.txt'), 'made up')
    await writeFile(join(root, 'large.bin'), 'x'.repeat(2000))
    await symlink(join(folder, 'secret.txt'), join(root, 'link'))
    await symlink(folder, join(root, 'up'))
    await symlink(join(root, 'inside'), join(root, 'fine'))
    await symlink(join(root, 'loop'), join(root, 'loop'))
    guard = open({ paths: { roots: [root], maxFileBytes: 1000 } })
  })
  afterAll(() => rm(join(root, '..'), { recursive: true, force: true, maxRetries: 10 }))

  test.each<[string, string]>([
    ['a file inside', 'inside/a.txt'],
    ['one that is not there yet', 'inside/new/folder/a.txt'],
    ['dots that stay inside', 'inside/../inside/a.txt'],
    ['a link that stays inside', 'fine/a.txt'],
    ['the root', '.'],
    ['a name with a percent sign', '100%.txt'],
    ['a name in other letters', 'résumé 履歴書.pdf'],
  ])('that lead to %s pass', async (_, path) => {
    expect(await fault(guard, { path })).toBeUndefined()
    expect(await fault(guard, { path: join(root, path) })).toBeUndefined()
  })

  test.each<[string, string, string]>([
    ['dots', '../secret.txt', 'path_outside'],
    ['dots further in', 'inside/../../secret.txt', 'path_outside'],
    ['an absolute path', '/etc/passwd', 'path_outside'],
    ['a link to a file', 'link', 'path_outside'],
    ['a link to a folder', 'up/secret.txt', 'path_outside'],
    ['a link and a file that is not there yet', 'up/new.txt', 'path_outside'],
    ['a loop of links', 'loop/a', 'path_unreadable'],
    ['an encoded path', '..%2fsecret.txt', 'path_outside'],
    ['a path encoded twice', '%252e%252e%252fsecret.txt', 'path_outside'],
    ['a path that is half encoded', '%2e%2e/%zz', 'path_outside'],
    ['slashes that look like some', '..∕secret.txt', 'path_outside'],
    ['wide dots and slashes', '．．／secret.txt', 'path_outside'],
    ['backslashes', String.raw`..\secret.txt`, 'path_form'],
    ['encoded backslashes', '..%5csecret.txt', 'path_form'],
    ['another host', String.raw`\\host\share\a`, 'path_form'],
    ['another host with slashes', '//host/share/a', 'path_form'],
    ['a drive', 'C:/Windows/win.ini', 'path_form'],
    ['a drive’s own folder', 'c:a.txt', 'path_form'],
    ['a home', '~/.ssh/id_rsa', 'path_form'],
    ['a scheme', 'file:///etc/passwd', 'path_form'],
    ['a zero', 'inside/a.txt\0.png', 'path_form'],
    ['an encoded zero', 'inside/a.txt%00.png', 'path_form'],
    ['a file that is too large', 'large.bin', 'file_too_large'],
  ])('that escape by %s are refused', async (_, path, expected) => {
    expect(await fault(guard, { path })).toBe(expected)
  })

  test('are known by the names of parameters, in lists and deeper too, and others are left alone', async () => {
    const escape = '../secret.txt'
    for (const args of [
      { filePath: escape },
      { source_file: escape },
      { paths: ['inside', escape] },
      { edits: [{ dir: escape }] },
    ])
      expect(await fault(guard, args)).toBe('path_outside')
    expect(await fault(guard, { text: escape, profile: '/etc' })).toBeUndefined()
    const named = open({ paths: { roots: [root], parameters: ['text'] } })
    expect(await fault(named, { text: escape })).toBe('path_outside')
  })

  test.each<[string, (folder: string) => string, string | undefined]>([
    ['inside', folder => pathToFileURL(join(folder, 'inside/a.txt')).href, undefined],
    ['outside', () => 'file:///etc/passwd', 'path_outside'],
    [
      'that climbs in disguise',
      folder => `${pathToFileURL(folder).href}/%252e%252e/secret.txt`,
      'path_outside',
    ],
    ['of another host', () => 'file://host/share/a', 'path_form'],
    ['with an encoded slash', folder => `${pathToFileURL(folder).href}/..%2fsecret.txt`, 'path_form'],
    ['in capitals', () => 'FILE:///etc/passwd', 'path_outside'],
  ])('of a resource %s', async (_, uri, expected) => {
    expect(await fault(guard, { uri: uri(root) }, { method: 'resources/read' })).toBe(expected)
  })
})

describe('texts that are cleaned', () => {
  const guard = open({ sanitise: { tools: ['post'], html: true } })
  test.each([
    ['invisible characters', 'a\u200Bb\u202Ec\u{E0041}', 'abc'],
    ['controls, but no line ends', 'a\u0000b\u001B[31m\n\tc', 'ab[31m\n\tc'],
    ['tags', 'a <b onclick="x">c</b><script>d</script>', 'a cd'],
    ['tags in tags', '<scr<b>ipt>alert(1)</scr</b>ipt>', 'alert(1)'],
    ['comments', 'a<!-- <b> -->c', 'ac'],
  ])('lose %s', async (_, text, clean) => {
    const verdict = await verdictOn(guard, { list: [text] }, { target: 'post' })
    expect(verdict).toMatchObject({
      message: { id: 1, params: { name: 'post', arguments: { list: [clean] } } },
      notes: [{ name: 'validate', decision: 'sanitise' }],
    })
  })

  test('stay as they are where there is nothing to clean, and in other tools', async () => {
    expect(await verdictOn(guard, { text: '1 < 2, e-mail 👩‍💻' }, { target: 'post' })).toBeUndefined()
    expect(await verdictOn(guard, { text: '<b>' })).toBeUndefined()
  })
})

function inspect(name: string, text: string): string | undefined {
  return name === 'id' && text.includes("' OR 1=1") ? 'sqli' : undefined
}

test('payloads are refused as a detector tells them, by the name of the parameter', async () => {
  const guard = open({ inspect })
  expect(await fault(guard, { where: [{ id: "1' OR 1=1" }] })).toBe('payload_sqli')
  expect(await fault(guard, { note: "1' OR 1=1" })).toBeUndefined()
})

test('nothing of an argument is in a refusal or its note', async () => {
  const verdict = await verdictOn(open(), { text: 'secret'.repeat(2000) })
  expect(verdict).toEqual({
    refusal: { code: 'INVALID_INPUT' },
    notes: [{ name: 'validate', decision: 'refuse', reason: 'string_too_long' }],
  })
})

test.each<[string, ValidateOptions]>([
  ['no folder', { paths: { roots: [] } }],
  ['a folder that depends on where one is', { paths: { roots: ['data'] } }],
  ['a limit of nothing', { maxDepth: 0 }],
  ['a limit that is no number', { maxBytes: Number.NaN }],
])('a validation with %s does not open', (_, options) => {
  expect(() => validate(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})
