import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { parse } from 'jsonc-parser'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clients } from '../src/install/clients.ts'
import { readConfigFile, replaceConfigFile } from '../src/install/config-file.ts'
import { difference } from '../src/install/preview.ts'
import { rewritten } from '../src/install/wrapping.ts'
import { run } from '../src/program.ts'
import { muniment } from './io.ts'

const key = 'mcpServers'
const wrapper = ['/opt/node', '/opt/muniment.mjs', 'wrap', '--server-name', 'files', '--']
const source = (text: string): { file: string; text: string } => ({ file: 'mcp.json', text })
const wrap = (text: string): string | undefined => rewritten(source(text), { key, name: 'files', wrapper })
const unwrap = (text: string): string | undefined => rewritten(source(text), { key, name: 'files' })
const inServers = (entry: string): string => `{"${key}": {"files": ${entry}}}`

function lineOf(text: string): readonly string[] {
  const { command, args } = parse(text)[key].files
  return [command, ...args]
}

const commented = `{
  // mine
  "${key}": {
    /* the good one */
    "files": {
      "command": "n\\u0070x", // spelt oddly
      "env": { "API_KEY": "hunter2", "PORT": 4711, /* OLD=hunter3 */ },
      "args": [
        // what to run
        "server-filesystem",
        "/srv/docs", // where
      ],
    },
    "other": { "command": "node", "args": ["--token", "hunter4"] },
  },
}
`
const forms: readonly (readonly [string, string, readonly string[]])[] = [
  ['comments, trailing commas and odd spellings', commented, ['npx', 'server-filesystem', '/srv/docs']],
  ['one line', inServers('{"command":"npx","args":["a","b"]}'), ['npx', 'a', 'b']],
  ['one argument on a line of its own', inServers('{"command":"x",\n"args":[\n\t"a"\n]}'), ['x', 'a']],
  ['CRLF', commented.replaceAll('\n', '\r\n'), ['npx', 'server-filesystem', '/srv/docs']],
  ['arguments before the command', inServers('{"args": ["a"], "command": "x"}'), ['x', 'a']],
  ['an empty list', inServers('{"command": "x", "args": [ /* none */ ]}'), ['x']],
  [
    'words that look like ours',
    inServers('{"command":"npx","args":["wrap","--","muniment"]}'),
    ['npx', 'wrap', '--', 'muniment'],
  ],
]

describe('wrapping', () => {
  test.each(forms)(
    '%s: puts the wrapper before the command, and undo gives the same bytes back',
    (_, text, words) => {
      const wrapped = wrap(text) ?? ''
      expect(lineOf(wrapped)).toEqual([...wrapper, ...words])
      expect(wrap(wrapped)).toBeUndefined()
      expect(unwrap(wrapped)).toBe(text)
      expect(unwrap(text)).toBeUndefined()
    },
  )

  test('a server without args gets some, and undo leaves an empty list', () => {
    const wrapped = wrap(inServers('{\n  "command": "x"\n}')) ?? ''
    expect(lineOf(wrapped)).toEqual([...wrapper, 'x'])
    expect(unwrap(wrapped)).toBe(inServers('{\n  "command": "x",\n  "args": []\n}'))
  })

  test('undo keeps what else changed since', () => {
    const changed = (wrap(commented) ?? '').replace('/srv/docs', '/srv/more').replace('4711', '4712')
    expect(unwrap(changed)).toBe(commented.replace('/srv/docs', '/srv/more').replace('4711', '4712'))
  })

  test.each([
    ['muniment', 'wrap', '--', 'x', 'a'],
    ['npx', '-y', '@muniment/cli', 'wrap', '--enforce', '--', 'x', 'a'],
    ['npx', '-y', '-p', '@muniment/cli', 'muniment', 'wrap', '--', 'x', 'a'],
    ['cmd', '/c', 'npx', 'muniment', 'wrap', '--server-name', '--', '--', 'x', 'a'],
    ['C:\\node\\node.exe', '--max-semi-space-size=16', 'C:\\m\\muniment.mjs', 'wrap', '--', 'x', 'a'],
  ])('undo also takes out what was wrapped by hand: %s %s %s %s', (command, ...args) => {
    expect(lineOf(unwrap(inServers(JSON.stringify({ command, args }))) ?? '')).toEqual(['x', 'a'])
  })

  test.each([
    ['node', 'server.js', 'muniment', 'wrap', '--', 'x'],
    ['docker', 'muniment', 'wrap', '--', 'x'],
  ])('another program is not taken for ours: %s %s', (command, ...args) => {
    expect(unwrap(inServers(JSON.stringify({ command, args })))).toBeUndefined()
  })

  test.each([
    ['no JSON', '{"mcpServers": {', 'CONFIG_INVALID'],
    ['a list', '[]', 'CONFIG_INVALID'],
    ['no servers', '{"servers": {}}', 'CONFIG_INVALID'],
    ['a list of servers', `{"${key}": []}`, 'CONFIG_INVALID'],
    ['a server that is no object', inServers('"npx"'), 'CONFIG_INVALID'],
    ['a command that is no text', inServers('{"command": ["npx"]}'), 'CONFIG_INVALID'],
    ['arguments that are no texts', inServers('{"command": "x", "args": [1]}'), 'CONFIG_INVALID'],
    [
      'two commands, of which programs take this or that',
      inServers('{"command": "x", "command": "y"}'),
      'CONFIG_INVALID',
    ],
    [
      'the same server twice',
      `{"${key}": {"files": {"command": "x"}, "files": {"command": "y"}}}`,
      'CONFIG_INVALID',
    ],
    ['nesting that would exhaust the stack', '['.repeat(100_000), 'CONFIG_INVALID'],
    ['an endless comment', '/*'.repeat(100_000), 'CONFIG_INVALID'],
    [
      'a wrapping without an end',
      inServers('{"command": "muniment", "args": ["wrap", "x"]}'),
      'CONFIG_INVALID',
    ],
    ['a URL', inServers('{"url": "https://mcp.example"}'), 'INVALID_INPUT'],
    ['a server that is not there', `{"${key}": {"web": {}, "mail": {}}}`, 'INVALID_INPUT'],
  ])('%s is refused', (_, text, code) => {
    expect(() => unwrap(text)).toThrow(expect.objectContaining({ code }))
  })
})

const shown = (text: string): string =>
  difference(source(text), source(wrap(text) ?? ''), { key, name: 'files', style: (_, line) => line })

describe('the difference', () => {
  test('is unified, with line numbers, and shows the command line of the server', () => {
    expect(shown(commented)).toMatchInlineSnapshot(`
      "--- mcp.json
      +++ mcp.json
      @@ -3,10 +3,16 @@
         "mcpServers": {
           …
           "files": {
      -      "command": "n\\u0070x", // …
      +      "command": "/opt/node", // …
             "env": { "API_KEY": "…", "PORT": "…", … },
             "args": [
               // …
      +        "/opt/muniment.mjs",
      +        "wrap",
      +        "--server-name",
      +        "files",
      +        "--",
      +        "n\\u0070x",
               "server-filesystem",
               "/srv/docs", // …
             ],"
    `)
  })

  test.each([
    ['in env, headers and other servers', commented],
    ['on one line', commented.replaceAll(/\/\/.*/gu, '').replaceAll('\n', '')],
    [
      'in comments',
      inServers(
        '{"command": "x", "args": [\n// --token hunter2\n"a"\n/* "env": {"K": "hunter3\n hunter4"} */]}',
      ),
    ],
    [
      'under a key spelt oddly',
      inServers('{"command": "x", "\\u0065nv" /* : */ : {"K": ["hunter2\\" : "]}}'),
    ],
  ])('never shows secrets %s', (_, text) => {
    expect(shown(text)).toContain('/opt/muniment.mjs')
    expect(shown(text)).not.toMatch(/hunter|4711/u)
  })

  test('cannot rewrite the terminal', () => {
    expect(shown(inServers('{"command": "x", "args": ["\u202e\u009b2J"]}'))).not.toMatch(/[\u202e\u009b]/u)
  })
})

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-install-'))
})
afterAll(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

async function placed(text: string | Uint8Array): Promise<{ folder: string; file: string }> {
  const folder = await mkdtemp(join(home, 'client-'))
  const file = join(folder, 'mcp.json')
  await writeFile(file, text, { mode: 0o640 })
  return { folder, file }
}

const install = (file: string, ...options: readonly string[]): ReturnType<typeof muniment> =>
  muniment(['install', 'claude', '--server', 'files', '--file', file, ...options], {
    env: { MUNIMENT_HOME: join(home, 'muniment') },
  })

describe('muniment install', () => {
  test('writes, keeps the mode, the mark and a backup of each state for the owner alone, and undoes it', async () => {
    const { folder, file } = await placed(`\u{FEFF}${commented}`)
    expect(await install(file, '--yes')).toMatchObject({ exitCode: 0 })
    const wrapped = await readFile(file, 'utf8')
    expect(wrapped).toContain(JSON.stringify(join(home, 'muniment')))
    expect((await stat(file)).mode & 0o777).toBe(0o640)
    expect((await install(file, '--undo', '--yes')).exitCode).toBe(0)
    expect(await readFile(file, 'utf8')).toBe(`\u{FEFF}${commented}`)
    const backups = ['mcp.json.before-muniment-1', 'mcp.json.before-muniment-2']
    expect((await readdir(folder)).toSorted()).toEqual(['mcp.json', ...backups])
    const kept = await Promise.all(backups.map(async name => readFile(join(folder, name), 'utf8')))
    expect(kept).toEqual([`\u{FEFF}${commented}`, wrapped])
    expect((await stat(join(folder, backups[0] ?? ''))).mode & 0o777).toBe(0o600)
  })

  test('wrap takes the folder that was written', async () => {
    const folder = join(home, 'elsewhere')
    await muniment(['wrap', '--home', folder, '--authorise', join(home, 'none.yaml'), '--', 'x'])
    expect(await readdir(folder)).toContain('ingest.pub')
  })

  test('what the client wrote in the meantime is not overwritten', async () => {
    const { folder, file } = await placed(commented)
    const read = await readConfigFile(file)
    await writeFile(file, '{}')
    await expect(replaceConfigFile(read, 'x')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(await readFile(file, 'utf8')).toBe('{}')
    expect(await readdir(folder)).toEqual(['mcp.json'])
  })

  test('a link stays a link, and what it leads to is changed', async () => {
    const { folder, file } = await placed(commented)
    await symlink(file, join(folder, 'link.json'))
    await install(join(folder, 'link.json'), '--yes')
    expect(await readFile(file, 'utf8')).toContain('"wrap"')
    expect(await readFile(join(folder, 'link.json'), 'utf8')).toContain('"wrap"')
  })

  test('a second time it says so and exits 0; so does undo', async () => {
    const { file } = await placed(commented)
    expect(await install(file, '--undo')).toMatchObject({ exitCode: 0 })
    await install(file, '--yes')
    const { exitCode, stdout } = await install(file, '--json')
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ server: 'files', isWrapped: true, isWritten: false })
  })

  test.each([
    [['--dry-run'], 0, 'Nothing was written.'],
    [[], 2, '--yes'],
    [['--json'], 2, '--yes'],
  ])('with %j and no terminal nothing is written', async (options, exitCode, words) => {
    const { folder, file } = await placed(commented)
    const ran = await install(file, ...options)
    expect(ran.exitCode).toBe(exitCode)
    expect(ran.stdout + ran.stderr).toContain(words)
    expect(ran.stdout).not.toContain('\u001b')
    expect(await readFile(file, 'utf8')).toBe(commented)
    expect(await readdir(folder)).toEqual(['mcp.json'])
  })

  test.each([
    ['y\n', 0, true],
    ['\n', 1, false],
    ['no\n', 1, false],
    ['\u0003', 1, false],
    ['\u0004', 1, false],
  ])('on a terminal it asks; %j exits %i', async (answer, exitCode, isWritten) => {
    const { file } = await placed(commented)
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    const screen = Object.assign(new PassThrough(), { isTTY: true })
    stdin.end(answer)
    const io = { stdin, stdout: screen, stderr: screen, env: {}, signal: new AbortController().signal }
    expect(await run(['install', 'claude', '--server', 'files', '--file', file], io)).toBe(exitCode)
    expect((await readFile(file, 'utf8')) !== commented).toBe(isWritten)
    const seen = String(screen.read())
    expect(seen).toContain('\u001b[31m-')
    expect(seen).toContain(isWritten ? 'Written.' : 'Nothing was written.')
  })

  test.each([
    ['bytes that are no text', Uint8Array.of(0x7b, 0xff, 0x7d), 'is not text in UTF-8'],
    ['no JSON', '{', 'is not JSON'],
  ])('%s are refused with CONFIG_INVALID', async (_, content, words) => {
    const { folder, file } = await placed(content)
    const { exitCode, stderr } = await install(file, '--yes')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('CONFIG_INVALID')
    expect(stderr).toContain(words)
    expect(await readdir(folder)).toEqual(['mcp.json'])
  })

  test('a folder, a file that is not there and an unknown client are named', async () => {
    expect((await install(home)).stderr).toContain('CONFIG_INVALID')
    expect((await install(join(home, 'none.json'))).stderr).toContain('ENOENT')
    const { stderr } = await muniment(['install', 'constructor', '--server', 'x'])
    expect(stderr).toContain('claude, cursor, vscode')
  })

  test('an unknown server lists those there are, without their values', async () => {
    const { file } = await placed(commented.replaceAll('"files"', '"docs"'))
    const { exitCode, stderr } = await install(file)
    expect(exitCode).toBe(2)
    expect(stderr).toContain('docs, other')
    expect(stderr).not.toContain('hunter')
  })

  test('without --file it takes the file of the client in the home folder', async () => {
    const folder = await mkdtemp(join(home, 'person-'))
    await mkdir(join(folder, '.cursor'))
    await writeFile(join(folder, '.cursor', 'mcp.json'), commented)
    const { stdout } = await muniment(['install', 'cursor', '--server', 'files', '--dry-run'], {
      env: { HOME: folder },
    })
    expect(stdout).toContain(join(folder, '.cursor', 'mcp.json'))
  })

  test.each([
    ['claude', 'darwin', '/h/Library/Application Support/Claude/claude_desktop_config.json', '/p/.mcp.json'],
    ['claude', 'win32', '/a/Claude/claude_desktop_config.json', '/p/.mcp.json'],
    ['claude', 'linux', '/h/.config/Claude/claude_desktop_config.json', '/p/.mcp.json'],
    ['cursor', 'linux', '/h/.cursor/mcp.json', '/p/.cursor/mcp.json'],
    ['vscode', 'linux', '/p/.vscode/mcp.json', '/h/.config/Code/User/mcp.json'],
    ['vscode', 'win32', '/p/.vscode/mcp.json', '/a/Code/User/mcp.json'],
  ] as const)('%s on %s has its files', (name, platform, ...files) => {
    const desk = { platform, home: '/h', cwd: '/p', env: { APPDATA: '/a' } }
    expect(clients[name]?.files(desk)).toEqual(files)
  })
})
