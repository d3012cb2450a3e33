import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allowedEnvironment, wrongKeys } from '../src/upstream-keys.ts'
import { muniment, type Ran } from './io.ts'

const starter = join(import.meta.dirname, '../../../infra/docs/authorise')
const bin = join(import.meta.dirname, '../bin/muniment.mjs')
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'muniment-policy-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))

const read = (name: string): string => readFileSync(join(starter, name), 'utf8')

/** Runs the starter's cases after one of its files was changed. */
async function tried(name: string, content: string): Promise<Ran> {
  const copy = mkdtempSync(join(folder, 'starter-'))
  cpSync(starter, copy, { recursive: true })
  writeFileSync(join(copy, name), content)
  return muniment(['policy', 'test', join(copy, 'cases.yaml'), '--json'])
}

const decisions = ({ stdout }: Ran): { name: string; expected: string; decision: string }[] =>
  stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

describe('policy test', () => {
  test('the starter decides as its cases say', async () => {
    const { exitCode, stderr } = await muniment(['policy', 'test', join(starter, 'cases.yaml')])
    expect(stderr).toContain('10 cases, 0 not as they should be')
    expect(exitCode).toBe(0)
  })

  test('a case that is decided otherwise is told, with exit code 1', async () => {
    const ran = await tried('cases.yaml', read('cases.yaml').replace('expected: permit', 'expected: deny'))
    expect(decisions(ran)[0]).toMatchObject({ expected: 'deny', decision: 'permit', isFine: false })
    expect(ran.exitCode).toBe(1)
  })

  test.each([
    [
      'a case without an end',
      'cases.yaml',
      'authorise: rules.yaml\ncases: [{ action: tools/call }]',
      'cases[0].expected',
    ],
    [
      'a misspelt key',
      'cases.yaml',
      'authorise: rules.yaml\ncases: [{ actoin: tools/call }]',
      'cases[0].actoin',
    ],
    ['no rules', 'cases.yaml', 'cases: [{ action: ping, expected: permit }]', 'authorise'],
    [
      'rules that are not there',
      'cases.yaml',
      'authorise: none.yaml\ncases: [{ action: ping, expected: permit }]',
      'none.yaml',
    ],
    ['rules that are no YAML', 'rules.yaml', 'roles: [', 'rules.yaml'],
    ['an unknown rule', 'rules.yaml', 'rolls: {}', 'guard.authorise.rolls'],
    ['a policy that does not parse', 'team.cedar', 'permit (', 'team.cedar'],
    [
      'a policy on what is not there',
      'team.cedar',
      'permit (principal, action, resource) when { context.tiem.hour > 1 };',
      'tiem',
    ],
    ['tools that are none', 'tools.json', '{}', 'policies.tools'],
  ])('%s stops it, with exit code 2 and the place', async (...[, name, content, place]) => {
    const { exitCode, stderr } = await tried(name, content)
    expect(stderr).toContain(place)
    expect(exitCode).toBe(2)
  })

  test('whichever line the starter’s rules lose, nobody may do more, or it does not start', async () => {
    const lines = read('rules.yaml').split('\n')
    for (const at of lines.keys()) {
      const ran = await tried('rules.yaml', lines.toSpliced(at, 1).join('\n'))
      if (ran.exitCode === 2) continue
      const isPolicyGone = lines[at]?.startsWith('policies') === true
      const opened = decisions(ran).filter(
        ({ expected, decision }) => expected === 'deny' && decision === 'permit',
      )
      expect({ at, opened: isPolicyGone ? [] : opened }).toEqual({ at, opened: [] })
    }
  })
})

const body = (length: number): string => 'a1B2c3D4e5'.repeat(30).slice(0, length)

describe('keys of upstream APIs', () => {
  test.each<[string, string, string]>([
    ['GITHUB_TOKEN', `ghp_${body(20)}`, 'has not the form'],
    ['GITHUB_TOKEN', `github_pat_${body(30)}`, 'has not the form'],
    ['GITHUB_TOKEN', `sk-ant-api03-${body(93)}`, 'a key of Anthropic, not of GitHub'],
    ['OPENAI_API_KEY', `sk-ant-api03-${body(93)}`, 'a key of Anthropic, not of OpenAI'],
    ['ANTHROPIC_API_KEY', `sk-${body(48)}`, 'a key of OpenAI, not of Anthropic'],
    ['ANTHROPIC_API_KEY', 'sk-ant-...', 'a placeholder'],
    ['OPENAI_API_KEY', 'your-key-here', 'a placeholder'],
    ['OPENAI_API_KEY', `"sk-${body(48)}"`, 'with quotes'],
    ['OPENAI_API_KEY', `Bearer sk-${body(48)}`, 'with quotes'],
    ['MY_SETTING', `ghp_${body(36)}\n`, 'with quotes'],
    ['SLACK_BOT_TOKEN', 'xoxb-1', 'has not the form'],
  ])('%s that cannot be right is named, and never shown', (variable, value, problem) => {
    const told = wrongKeys({ [variable]: value })
    expect(told).toEqual([{ variable, problem: expect.stringContaining(problem) }])
    expect(JSON.stringify(told)).not.toContain(body(6))
  })

  test.each([
    ['GITHUB_TOKEN', `ghp_${body(36)}`],
    ['GITHUB_TOKEN', `github_pat_${body(22)}_${body(59)}`],
    ['ANTHROPIC_API_KEY', `sk-ant-api03-${body(95)}`],
    ['OPENAI_API_KEY', `sk-proj-${body(120)}`],
    ['PATH', '/usr/bin'],
    ['GITHUB_TOKEN', ''],
    ['GITHUB_REPOSITORY', 'a/b'],
  ])('%s that may be right is not', (variable, value) => {
    expect(wrongKeys({ [variable]: value })).toEqual([])
  })

  test('an allowed environment has what was named and what programs need, and nothing that only looks like it', () => {
    const env = { PATH: '/bin', HOME: '/h', API_KEY: 'a', API_KEY_2: 'b', api_key: 'c', AWS_A: 'd', AWS: 'e' }
    expect(allowedEnvironment(env, ['API_KEY', 'AWS_*'])).toEqual({
      PATH: '/bin',
      HOME: '/h',
      API_KEY: 'a',
      AWS_A: 'd',
    })
  })
})

test('wrap passes on what is allowed: variables, tools in lists, and calls', async () => {
  const rules = join(folder, 'wrap.yaml')
  writeFileSync(
    rules,
    'anonymous: viewer\nneeds:\n  read: { tools: [get-env] }\n  admin: { tools: [echo] }\n',
  )
  const manifest = createRequire(import.meta.url).resolve(
    '@modelcontextprotocol/server-everything/package.json',
  )
  const server = join(dirname(manifest), 'dist/index.js')
  const args = [
    bin,
    'wrap',
    '--authorise',
    rules,
    '--env-allow',
    'PASSED_*',
    '--',
    process.execPath,
    server,
    'stdio',
  ]
  const env = {
    PATH: dirname(process.execPath),
    MUNIMENT_HOME: join(folder, 'home'),
    PASSED_ON: 'yes',
    KEPT_BACK: 'no',
  }
  const client = new Client({ name: 'visitor', version: '1' })
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: 'ignore' }))
  try {
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['get-env'])
    await expect(client.callTool({ name: 'echo', arguments: { message: 'x' } })).rejects.toThrow(
      'ACCESS_DENIED',
    )
    const shown = JSON.stringify(await client.callTool({ name: 'get-env', arguments: {} }))
    expect(shown).toContain('PASSED_ON')
    expect(shown).not.toContain('KEPT_BACK')
    expect(shown).not.toContain('MUNIMENT_HOME')
  } finally {
    await client.close()
  }
})
