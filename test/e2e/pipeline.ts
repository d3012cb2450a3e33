// What the whole pipeline promises, once for every kind of installation.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { converse, type Made } from './conversation.ts'
import { ask, linesOf, openBusOf, rowsOf, type Answer, type Installation } from './installation.ts'
import { letter, ordinary, planted } from './planted.ts'
import { filesWith, sealedFrom, topicsWith } from './secrecy.ts'
import { strangeBatch } from './strange.ts'

const callRow = z.object({ server: z.string(), client: z.string(), tool: z.string(), outcome: z.string() })
const countRow = z.object({ n: z.number() })
const idRow = z.object({ id: z.string() })
const textRow = z.object({ text: z.string() })
const alert = z.object({
  class_uid: z.literal(2004),
  metadata: z.object({ uid: z.string() }),
  finding_info: z.object({ analytic: z.object({ name: z.string() }) }),
})
const report = z.object({
  ok: z.boolean(),
  problems: z.array(z.object({ code: z.string(), object: z.string(), reason: z.string() })),
  checked: z.object({ manifests: z.number(), records: z.number(), hasContents: z.boolean() }),
  anchored: z.object({ treeSize: z.number(), isSignatureChecked: z.boolean() }).optional(),
})
const shown = z.object({
  topic: z.string(),
  record: z.object({ id: z.string() }),
  evidence: z.object({ leaf: z.string(), root: z.string(), object: z.object({ sha256: z.string() }) }),
})

const callsSql = `select server_name as "server", client_name as "client", target as "tool", outcome from events
  where method = 'tools/call' and kind = 'call'`
const sevenKinds = ['CREDIT_CARD', 'EMAIL', 'IP_ADDRESS', 'PASSPORT', 'PHONE', 'STREET_ADDRESS', 'US_SSN']
const backtestLine = z.object({
  rule: z.string(),
  matches: z.number(),
  topGroups: z.array(z.object({ group: z.string(), count: z.number() })),
})
const untriedRule = `title: Somebody was looked up
id: 5b0f6b1e-6b1e-4c52-9a3c-0d1f2e3a4b5c
logsource: { product: mcp, category: call }
detection:
  selection: { tool: look_up }
  condition: selection
level: low
muniment:
  dedup: { keys: [target], period: 1h }
`
const patience = { timeout: 60_000, interval: 500 }

function sorted(rows: readonly z.infer<typeof callRow>[]): readonly string[] {
  return rows.map(({ server, client, tool, outcome }) => [server, client, tool, outcome].join(' ')).toSorted()
}

/** Where the bus itself keeps events: the folders of Kafka's partitions, the one file of the embedded bus. */
function isOfEvents(file: string): boolean {
  return /\/mcp\.events-\d+\/|\/bus\.db(?:-wal)?$/u.test(file)
}

/** The first line of an answer; a command that fails tells no stack. */
async function one<T>(answer: Promise<Answer>, schema: z.ZodType<T>): Promise<T> {
  const found = await answer
  expect(found.stderr).not.toMatch(/at .*\(.*:\d+:\d+\)/u)
  const [first] = linesOf(found, schema)
  if (first === undefined) throw new Error(`no answer; ${found.stderr}`)
  return first
}

/** The cases; they share one installation and one conversation. */
export function pipelineCases(
  open: () => Promise<Installation>,
  more: (it: () => Installation) => void = () => undefined,
): void {
  let it: Installation
  let made: readonly Made[] = []

  beforeAll(async () => {
    it = await open()
    made = await converse(it)
    await vi.waitFor(async () => {
      const archived = await rowsOf(it.reader, `${callsSql} and archived`, callRow)
      expect(archived.length).toBeGreaterThanOrEqual(made.length)
    }, patience)
  }, 180_000)

  afterAll(async () => {
    await it[Symbol.asyncDispose]()
  }, 60_000)

  test('every call to a server of either line, by a client of either line, is recorded exactly once', async () => {
    expect(sorted(await rowsOf(it.reader, callsSql, callRow))).toEqual(sorted(made))
    expect(made.map(({ outcome }) => outcome)).toContain('tool_error')
  })

  test('no event holds a planted value', async () => {
    const holds = Object.values(planted).map(value => `contains(raw, '${value}')`)
    const sql = `select count(*) n from events where ${holds.join(' or ')}`
    expect(await rowsOf(it.reader, sql, countRow)).toEqual([{ n: 0 }])
  })

  test.each([
    ['arguments', 'echo', 'params'],
    ['a result', 'echo', 'result'],
    ['structured content', 'look_up', 'result.structuredContent'],
    ['JSON text within JSON text of a result', 'look_up', 'result.content[].text.'],
    ['an error', 'fail', 'result'],
    ['JSON text in arguments', 'create_entities', 'params.arguments.entities[].observations[].'],
    ['a file that was read', 'read_text_file', 'result.content[].text.'],
  ])('all seven kinds were masked in %s', async (_, tool, path) => {
    const sql = `select distinct finding->>'type' as "text" from
      (select unnest(cast(pii_findings as json[])) as finding from events where target = '${tool}')
      where starts_with(finding->>'path', '${path}') and (finding->>'action') = 'remove'`
    const kinds = (await rowsOf(it.reader, sql, textRow)).map(({ text }) => text)
    expect(kinds).toEqual(expect.arrayContaining(sevenKinds))
  })

  test('what is not personal comes through', async () => {
    const sql = `select count(*) n from events where contains(request::varchar, '${ordinary}') and contains(response::varchar, '${ordinary}')`
    const [row] = await rowsOf(it.reader, sql, countRow)
    expect(row?.n).toBeGreaterThan(4)
  })

  test('what is worth an alert raises one, as the command and the archive tell', async () => {
    const answer = await ask(['alerts', '--json', '-n', '1000'], it.reader)
    expect(answer.code).toBe(0)
    const alerts = linesOf(answer, alert)
    const rules = alerts.map(({ finding_info: { analytic } }) => analytic.name)
    expect(rules).toEqual(expect.arrayContaining(['path-traversal', 'sql-injection']))
    const ids = alerts.map(({ metadata }) => metadata.uid)
    expect(new Set(ids).size).toBe(ids.length)
    await vi.waitFor(async () => {
      const archived = await rowsOf(it.reader, 'select id from alerts where archived', idRow)
      expect(archived.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    }, patience)
  }, 70_000)

  test('a backtest over the archive tells what rules would have found, one that nobody has enabled yet among them', async () => {
    const tried = join(it.folder, 'tried-rules')
    await mkdir(tried, { recursive: true })
    await writeFile(join(tried, 'looked-up.yml'), untriedRule)
    const env = { ...it.reader, MUNIMENT_RULES: tried }
    const found = linesOf(await ask(['rules', 'backtest', '--since', '1h', '--json'], env), backtestLine)
    const matches = new Map(found.map(({ rule, matches: count }) => [rule, count]))
    expect(matches.get('looked-up')).toBe(made.filter(({ tool }) => tool === 'look_up').length)
    expect([...matches.keys()]).toEqual(expect.arrayContaining(['path-traversal', 'sql-injection']))
    expect(found.find(({ rule }) => rule === 'looked-up')?.topGroups[0]?.group).toContain('look_up')
    const later = await ask(['rules', 'backtest', '--since', '1s', '--rule', 'looked-up', '--json'], env)
    expect(linesOf(later, backtestLine)).toMatchObject([{ rule: 'looked-up', matches: 0 }])
  }, 60_000)

  test('show gives one event with its line of evidence', async () => {
    const [row] = await rowsOf(it.reader, `select id from events where target = 'look_up' limit 1`, idRow)
    const found = await one(ask(['show', row?.id ?? '', '--json'], it.reader), shown)
    expect(found).toMatchObject({ topic: 'mcp.events', record: { id: row?.id } })
    expect(found.evidence.leaf).toMatch(/^[0-9a-f]{64}$/u)
  })

  test('verify finds nothing altered and nothing missing, with the keys and without', async () => {
    await vi.waitFor(async () => {
      const answer = await ask(['verify', '--json'], it.reader)
      const found = await one(Promise.resolve(answer), report)
      expect({ code: answer.code, problems: found.problems }).toEqual({ code: 0, problems: [] })
      expect(found).toMatchObject({ ok: true, checked: { hasContents: true } })
      expect(found.anchored).toMatchObject({ isSignatureChecked: true })
    }, patience)
    const without = await ask(['verify', '--no-keys', '--json'], it.reader)
    expect(without.code).toBe(0)
    expect(linesOf(without, report)[0]).toMatchObject({ ok: true, checked: { hasContents: false } })
  }, 70_000)

  test('the classic audit line has its seven columns', async () => {
    const [row] = await rowsOf(it.reader, 'select * from audit limit 1', z.record(z.string(), z.unknown()))
    expect(Object.keys(row ?? {})).toEqual([
      'timestamp',
      'operation',
      'user_id',
      'resource',
      'success',
      'details',
      'session_id',
    ])
  })

  test('tail shows the newest events as NDJSON', async () => {
    const answer = await ask(['tail', '--no-follow', '--json', '-n', '5'], it.reader)
    expect(answer.code).toBe(0)
    expect(linesOf(answer, idRow)).toHaveLength(5)
  })

  test('there are no dead letters', async () => {
    expect(await ask(['dlq', 'list', '--json'], it.operator)).toMatchObject({ code: 0, stdout: '' })
  })

  test('a batch of a strange key becomes a dead letter, sealed as it came', async () => {
    await using bus = await openBusOf(it.interceptor)
    await bus.publish(topic.raw, [await strangeBatch('stranger/0', Buffer.from(`${letter} ${ordinary}`))])
    await vi.waitFor(async () => {
      const letters = linesOf(
        await ask(['dlq', 'list', '--json'], it.operator),
        z.object({ code: z.string() }),
      )
      expect(letters).toEqual([{ code: 'BATCH_UNREADABLE' }])
    }, patience)
  }, 70_000)

  test('a planted value is in no topic and in no file of bus, spool, state, archive or log', async () => {
    expect(await topicsWith(it, Object.values(planted))).toEqual([])
    expect(filesWith(it, Object.values(planted))).toEqual([])
  })

  test('ordinary payload is in mcp.events and in no other topic, state, archive or log', async () => {
    expect(await topicsWith(it, [ordinary])).toEqual([topic.events])
    const files = filesWith(it, [ordinary]).filter(file => !isOfEvents(file))
    expect(files).toEqual([])
  })

  test('what an interceptor published cannot be opened with what an interceptor has', async () => {
    const { records, unsealable } = await sealedFrom(it)
    expect(records).toBeGreaterThan(0)
    expect(unsealable).toBe(records)
  })

  test.each([
    [['query', 'selec'], 2, 'QUERY_INVALID'],
    [['show', 'no-such-id'], 1, 'NOT_FOUND'],
    [['frobnicate'], 2, 'unknown command'],
    [['query', '--no-such-option'], 2, 'unknown option'],
    [['run', 'nobody'], 2, 'INVALID_INPUT'],
  ])('%j ends with %d and says why', async (args, code, why) => {
    const answer = await ask(args, it.reader)
    expect(answer).toMatchObject({ code, stdout: '' })
    expect(answer.stderr).toContain(why)
  })

  more(() => it)
}
