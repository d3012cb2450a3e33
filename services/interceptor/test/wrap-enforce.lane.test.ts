import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { isAmbiguous } from '../src/guard/ambiguous.ts'
import { openLab, programEnv, type Lab, type Seen } from './support.ts'

// Whole programs are started here, also on machines that are busy.
vi.setConfig({ testTimeout: 30_000 })

const runner = fileURLToPath(new URL('wrap-runner.ts', import.meta.url))
/** Says what reaches it. */
const mirror = 'process.stdin.pipe(process.stdout)'

let lab: Lab
beforeEach(async () => {
  lab = await openLab()
})
afterEach(() => lab[Symbol.asyncDispose]())

/** What a client gets that sends this to a server which sends everything back. */
async function converse(
  input: string | Uint8Array,
): Promise<{ readonly out: Buffer; readonly seen: Seen[] }> {
  const settings = JSON.stringify({ home: lab.home, enforce: true, serverName: 'mirror' })
  const run = spawn(process.execPath, [runner, settings, process.execPath, '-e', mirror], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: programEnv,
  })
  run.stdin.end(input)
  const chunks: Buffer[] = []
  for await (const chunk of run.stdout) chunks.push(Buffer.from(chunk))
  if (run.exitCode === null) await once(run, 'exit')
  return { out: Buffer.concat(chunks), seen: await lab.collect() }
}

const block = {
  scope: 'server',
  value: 'mirror',
  action: 'block',
  reason: 'made up',
  lifeMs: 600_000,
} as const

const listing = '{"jsonrpc":"2.0","id":2 , "method":"tools/list"}'
const answering = '{"jsonrpc":"2.0","id":"s1","result":{"n":1.0e2}}'
const pinging = '{"id":1,"jsonrpc":"2.0","method":"ping","params":{"s":"\\ud800é\u2028"}}\r'

test('bytes pass as they are where nothing forbids them, with a last line that has no end', async () => {
  const input = Buffer.from(
    [listing, answering, '', pinging, `[${listing},${answering}]`, listing].join('\n'),
  )
  const { out, seen } = await converse(input)
  expect(out.equals(input)).toBe(true)
  expect(seen.filter(({ observation }) => observation.outcome === 'denied')).toEqual([])
})

test('what is blocked is answered in the place of the server, once in the record, and the rest passes', async () => {
  await lab.decide(block)
  const { out, seen } = await converse(`${pinging}\n${listing}\n${answering}\n[${listing},${answering}]\n`)
  const lines = out.toString().trimEnd().split('\n')
  const answers = lines.filter(line => line.includes('ACCESS_DENIED'))
  expect(answers.map(line => JSON.parse(line))).toEqual([
    { jsonrpc: '2.0', id: 2, error: { code: -32_003, message: 'ACCESS_DENIED' } },
    { jsonrpc: '2.0', id: 2, error: { code: -32_003, message: 'ACCESS_DENIED' } },
  ])
  expect(lines.filter(line => !answers.includes(line))).toEqual([pinging, answering, `[${answering}]`])
  const denied = seen.filter(({ observation }) => observation.outcome === 'denied')
  expect(denied.map(({ observation }) => observation.method)).toEqual(['tools/list', 'tools/list'])
  expect(denied[0]?.request?.toString()).toBe(listing)
})

describe('what two parsers could read in two ways', () => {
  test.each([
    ['a method that comes twice', '{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping"}'],
    ['a method in capitals beside it', '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}'],
    ['a method in capitals alone', '{"jsonrpc":"2.0","id":1,"METHOD":"tools/call"}'],
    ['a method that is escaped', '{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}'],
    ['a long s', '{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{"name":"a"}}'],
    [
      'a tool that is named twice',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
    ],
    ['no JSON', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n":NaN}}'],
    ['a comment', '/* */{"jsonrpc":"2.0","id":1,"method":"tools/call"}'],
    ['a byte order mark', '\uFEFF{"jsonrpc":"2.0","id":1,"method":"tools/call"}'],
    ['an array in an array', '[[{"jsonrpc":"2.0","id":1,"method":"tools/call"}]]'],
    ['an empty array', '[]'],
  ])('is not passed on: %s', async (_, line) => {
    const { out, seen } = await converse(`${line}\n`)
    expect(JSON.parse(out.toString())).toMatchObject({ id: null, error: { message: 'INVALID_INPUT' } })
    expect(seen.map(({ observation }) => observation.kind)).toContain('rejected')
  })

  test('and bytes that are no text are not passed on', async () => {
    const { out } = await converse(Buffer.from([0x7b, 0xff, 0x7d, 0x0a]))
    expect(JSON.parse(out.toString())).toMatchObject({ error: { message: 'INVALID_INPUT' } })
  })
})

test.each([
  [
    'equal keys in arguments, which no decision looks at',
    '{"method":"m","params":{"arguments":{"a":1,"a":2}}}',
  ],
  ['equal values', '{"method":"params","params":{"name":"method"}}'],
  ['keys in different objects', '{"params":{"name":"a","x":[{"name":1},{"name":2}]},"id":1}'],
  [
    'braces and quotes in texts',
    '{"method":"a\\"},{\\"method\\":\\"","params":{"s":"{\\"name\\":1,\\"name\\":2}"}}',
  ],
])('%s are not ambiguous', (_, text) => {
  expect(isAmbiguous(text)).toBe(false)
})
