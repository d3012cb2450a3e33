import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OutgoingRecord } from '@muniment/bus'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { startSecrets } from '../lanes/secrets.ts'
import { openEmbedded } from './embedded.ts'
import { ask, linesOf, openBusOf, muniment, rowsOf, type Installation } from './installation.ts'
import { startProducer } from './producers.ts'
import { strangeBatch } from './strange.ts'

const fast = fileURLToPath(import.meta.resolve('../fixtures/fast-server.ts'))
const patience = { timeout: 30_000, interval: 500 }

function call(id: number, args: string): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"weigh","arguments":${args}}}`
}

const depth = 20_000
const lines: readonly (string | Buffer)[] = [
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"na',
  '[]',
  '{"jsonrpc":"1.0","id":2}',
  'null',
  Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
  call(3, `{"load":"${'x'.repeat(16 * 1024 * 1024)}"}`),
  call(4, `${'['.repeat(depth)}${']'.repeat(depth)}`),
  call(5, '{"message":"after all that"}'),
]

/** Sends the lines to a program and returns what it wrote until it ended. */
async function answerTo(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Buffer> {
  const child = spawn(process.execPath, args, { env: inherited(env), stdio: ['pipe', 'pipe', 'ignore'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => void chunks.push(chunk))
  const closed = once(child, 'close')
  for (const line of lines) {
    child.stdin.write(line)
    child.stdin.write('\n')
  }
  child.stdin.end()
  expect((await closed)[0]).toBe(0)
  return Buffer.concat(chunks)
}

/** Batches that nobody here can open. */
async function strangeBatches(): Promise<readonly OutgoingRecord[]> {
  const strange = await strangeBatch('stranger/0', randomBytes(64))
  const { headers, value } = strange
  return [
    strange,
    { key: 'future/0', headers: { ...headers, mun_v: '99' }, value },
    { key: 'nonsense/0', headers: { ...headers, mun_part: '9/2' }, value },
    { key: null, headers: {}, value: randomBytes(10) },
  ]
}

describe('bad input to one installation', () => {
  let it: Installation
  beforeAll(async () => {
    it = await openEmbedded()
  }, 60_000)
  afterAll(async () => {
    await it[Symbol.asyncDispose]()
  }, 60_000)

  async function expectAlive(): Promise<void> {
    await using producer = await startProducer(`after${randomBytes(3).toString('hex')}`, 'v1', it.interceptor)
    producer.burst(3)
    await producer.reached(3)
    await producer.end()
    const sql = `select id from events where client_name = '${producer.name}' and method = 'tools/call' and archived`
    await vi.waitFor(async () => expect(await rowsOf(it.reader, sql, z.unknown())).toHaveLength(3), patience)
  }

  test('a wrapped server answers malformed, huge and deep messages byte for byte as without, and each is recorded', async () => {
    const direct = await answerTo([fast])
    const wrapped = await answerTo(
      [muniment, 'wrap', '--server-name', 'scales', '--', process.execPath, fast],
      it.interceptor,
    )
    expect(wrapped.equals(direct)).toBe(true)
    const sql = `select kind, coalesce(error_type, outcome) as what, coalesce(request_size_bytes > 16777216, false) as "isHuge"
      from events where server_name = 'scales' and kind in ('call', 'rejected') and archived order by source_seq`
    const row = z.object({ kind: z.string(), what: z.string(), isHuge: z.boolean() })
    const expected = [
      { kind: 'rejected', what: 'invalid_json' },
      { kind: 'rejected', what: 'invalid_request' },
      { kind: 'rejected', what: 'invalid_request' },
      { kind: 'rejected', what: 'invalid_request' },
      { kind: 'rejected', what: 'invalid_utf8' },
      { kind: 'call', what: 'ok', isHuge: true },
      { kind: 'call', what: 'ok', isHuge: false },
      { kind: 'call', what: 'ok', isHuge: false },
    ]
    await vi.waitFor(async () => expect(await rowsOf(it.reader, sql, row)).toMatchObject(expected), patience)
    await expectAlive()
  }, 120_000)

  test('batches of a wrong key, an unknown version or no sense become dead letters and gaps; the masker lives', async () => {
    await using bus = await openBusOf(it.operator)
    await bus.publish(topic.raw, await strangeBatches())
    const letter = z.object({ code: z.string(), lane: z.string().nullable() })
    await vi.waitFor(async () => {
      const letters = linesOf(await ask(['dlq', 'list', '--json'], it.operator), letter)
      expect(letters.map(({ code, lane }) => `${lane ?? 'none'} ${code}`).toSorted()).toEqual([
        'future/0 SCHEMA_UNKNOWN',
        'none SCHEMA_UNKNOWN',
        'nonsense/0 BATCH_MALFORMED',
        'stranger/0 BATCH_UNREADABLE',
      ])
    }, patience)
    const gap = z.object({ raw: z.string() })
    const sql = `select raw from events where kind = 'gap' and source_instance = 'stranger' and archived`
    await vi.waitFor(async () => {
      const [row] = await rowsOf(it.reader, sql, gap)
      expect(row?.raw).toContain('"from_seq":0,"to_seq":4')
    }, patience)
    await expectAlive()
  }, 60_000)

  test('an event of no known form stops nobody', async () => {
    await using bus = await openBusOf(it.operator)
    const headers = { mun_lane: 'odd/0', mun_seq: '0', mun_from: '0', mun_tenant: 'default' }
    for (const value of ['{"v":99}', 'no JSON', '', '[]'])
      await bus.publish(topic.events, [{ key: 'odd/0', headers, value: Buffer.from(value) }])
    await expectAlive()
  }, 60_000)

  test('after all that, verify finds nothing altered, and what is missing is declared', async () => {
    const answer = await ask(['verify'], it.reader)
    expect(`${answer.code} ${answer.stderr}`).toMatch(/^0 ✔/u)
    expect(answer.stderr).toMatch(/lane\.declared/u)
  })
})

describe('a place that cannot be written', () => {
  test.each(['v1', 'v2', 'wrap'] as const)(
    'a server observed by %s goes on',
    async how => {
      const env = { MUNIMENT_HOME: '/dev/null/home', MUNIMENT_INGEST_KEY: '' }
      await using producer = await startProducer('homeless', how, env)
      producer.burst(20)
      await producer.reached(20)
      await producer.end()
    },
    60_000,
  )

  test('up says which folder, and what to do', async () => {
    const answer = await ask(['up'], { MUNIMENT_HOME: '/dev/null/home' })
    expect(answer.code).not.toBe(0)
    expect(answer.stderr).toMatch(/^muniment: .*\/dev\/null\/home.*\n {2}→ /u)
  })
})

describe('wrong settings', () => {
  test.each([
    [{ MUNIMENT_BUS: 'pigeon:' }, 'MUNIMENT_BUS'],
    [{ MUNIMENT_FROBNICATE: '1' }, 'MUNIMENT_FROBNICATE'],
    [{ MUNIMENT_STORE: 's3://same/a', MUNIMENT_STATE: 's3://same/b' }, 'MUNIMENT_STATE'],
    [{ MUNIMENT_CUT_MAX_AGE_MS: 'soon' }, 'MUNIMENT_CUT_MAX_AGE_MS'],
    [
      { MUNIMENT_KAFKA_SASL_MECHANISM: 'plain', MUNIMENT_BUS: 'kafka://127.0.0.1:9' },
      'MUNIMENT_KAFKA_SASL_USERNAME',
    ],
  ])('%j stops the start with exit code 2, the name, and a hint', async (env, name) => {
    const answer = await ask(['run', 'masker'], env)
    expect(answer).toMatchObject({ code: 2, stdout: '' })
    expect(answer.stderr).toMatch(new RegExp(`^muniment: .*${name}.*\\(CONFIG_INVALID\\)\n {2}→ `, 'u'))
  })
})

describeLanes(['secrets'], 'secrets that are not there', () => {
  test('a worker names the secret and how to make it', async () => {
    await using secrets = await startSecrets()
    await using it = await openEmbedded()
    const env = { ...secrets.env, MUNIMENT_HOME: join(it.folder, 'other'), MUNIMENT_SECRETS: 'aws:' }
    const answer = await ask(['run', 'masker'], env)
    expect(answer).toMatchObject({ code: 2, stdout: '' })
    expect(answer.stderr).toMatch(/muniment\/ingest.*\(SECRET_MISSING\)\n {2}→ .*muniment keys init/u)
  }, 60_000)
})
