import { mkdtempDisposable, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { createLogger } from '@muniment/runtime'
import { deadLetterTopic, topic } from '@muniment/schema'
import { describe, expect, test } from 'vitest'
import { backtestRules } from '../src/backtest.ts'
import { explainRule } from '../src/explain.ts'
import { createReplay } from '../src/replay.ts'
import { createRuleSource } from '../src/rule-source.ts'
import { exampleEvents } from '../src/example-events.ts'
import { compilePack, loadRules } from '../src/sigma/pack.ts'
import { createPrefilter } from '../src/sigma/prefilter.ts'
import { alertsOn, call, contents, drain, openLab, publish } from './fleet.ts'

const key = createSecretKey(Buffer.alloc(32, 5))

function rule(name: string, detection: string): { readonly name: string; readonly text: string } {
  return {
    name,
    text: `title: ${name}\nid: ${name}\nlogsource: { product: mcp }\ndetection: { s: { ${detection} }, condition: s }\n`,
  }
}

describe('the prefilter', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '·'), minLength: 1, maxLength: 5 })

  test('marks exactly the literals that occur in a text', () => {
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 12 }),
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '·') })),
        (words, texts) => {
          const literals = [...new Set(words)]
          const marks = createPrefilter(literals).mark(texts)
          expect([...marks]).toEqual(
            literals.map(literal => Number(texts.some(text => text.includes(literal)))),
          )
        },
      ),
    )
  })

  const lines = [
    "arguments.f|contains: 'Needle'",
    "arguments.f|re: 'need.e\\d'",
    "arguments.f|re|i: 'NEEDS'",
    "arguments.f: 'a*needle?'",
    'arguments.f|contains|all: [dle, nee]',
    'arguments.f|startswith: [nee, haystack]',
    "argument|contains: 'needle'",
    "tool|endswith: 'ool'",
    'arguments.f|base64offset|contains: needle',
  ]

  test.each(lines)('never hides a match: %s', line => {
    const text = fc.string({
      unit: fc.constantFrom('need', 'NEEDLE', 'le', '7', ' ', 'a', 'ſ', 'K', 'bmVlZGxl'),
    })
    const alone = compilePack([rule('r', line)])
    const among = compilePack([
      rule('r', line),
      ...Array.from({ length: 40 }, (_, index) => rule(`x${index}`, `arguments.f|contains: other-${index}`)),
    ])
    fc.assert(
      fc.property(text, f => {
        const [event] = exampleEvents({ events: [{ arguments: { f } }] })
        if (event === undefined) throw new Error('no event was made')
        const [one] = alone.rules
        const fired = createReplay(among, key)
          .next(event)
          .fired.map(each => each.rule.name)
        const direct = explainRule(alone, 'r', event)
        expect(fired).toEqual(direct?.isMatch === true ? [one?.name] : [])
      }),
      { numRuns: 60 },
    )
  })
})

function correlation(name: string, rules: string, group = '[principal]'): string {
  return `title: ${name}\nid: ${name}\nname: ${name}\ncorrelation: { type: event_count, rules: [${rules}], group-by: ${group}, timespan: 5m, condition: { gte: 2 } }\n`
}

describe('rules that cannot be trusted together are refused', () => {
  test.each([
    [
      'a correlation of a rule that is not there',
      [{ name: 'c', text: correlation('c', 'nobody') }],
      'nobody',
    ],
    [
      'correlations in a circle',
      [{ name: 'c', text: `${correlation('a', 'b')}---\n${correlation('b', 'a')}` }],
      'circle',
    ],
    [
      'a chain whose groups do not nest',
      [
        rule('base', 'tool: x'),
        {
          name: 'c',
          text: `${correlation('inner', 'base', '[server]')}---\n${correlation('outer', 'inner')}`,
        },
      ],
      'principal',
    ],
    ['two rules of one name', [rule('a', 'tool: x'), rule('a', 'tool: y')], 'two rules'],
    [
      'a count that no state would hold',
      [rule('base', 'tool: x'), { name: 'c', text: correlation('c', 'base').replace('gte: 2', 'gte: 5000') }],
      'beyond',
    ],
    ['a placeholder without values', [rule('a', "tool|expand: '%nobody%'")], 'nobody'],
    ['a network that is none', [rule('a', 'tool|cidr: 10.0.0.0/99')], 'network'],
  ])('%s', (_, sources, why) => {
    expect(() => compilePack(sources)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    expect(() => compilePack(sources)).toThrow(why)
  })
})

test('an event that costs the rules too much goes to the dead letters, and the ones after it are judged', async () => {
  await using lab = await openLab()
  const costly = Array.from({ length: 80 }, (_, index) =>
    rule(`costly-${index}`, `arguments.f|re: 'x.*y${index}'`),
  )
  const pack = compilePack([...costly, rule('plain', 'tool: drop_all')])
  const heavy = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [index, 'x'.repeat(2_000)]))
  await publish(lab.bus, [
    call(0, 'read', { f: Object.values(heavy).slice(0, 400) }),
    call(1, 'drop_all', {}),
  ])
  await drain(lab, { pack })
  const letters = await contents(lab.bus, deadLetterTopic(topic.events))
  expect(letters.map(({ headers }) => headers['mun_error_code'] ?? JSON.stringify(headers))).toEqual([
    expect.stringContaining('LIMIT_EXCEEDED'),
  ])
  expect((await alertsOn(lab.bus)).map(alert => alert.finding_info.title)).toEqual(['plain'])
})

test('an event or signal at which a detector fails goes to the dead letters, and the ones after it are judged', async () => {
  await using lab = await openLab()
  const plain = compilePack([rule('broken', 'tool: read'), rule('plain', 'tool: drop_all')])
  const rules = plain.rules.map(each => {
    if (each.name !== 'broken') return each
    const matches: typeof each.matches = facts => {
      if (!each.matches(facts)) return false
      throw new TypeError('cannot read the secret of ada@example.org')
    }
    return { ...each, matches }
  })
  await lab.bus.publish(topic.signals, [
    {
      key: 'default/eve',
      value: Buffer.from(
        JSON.stringify({
          lane: 'odd/0',
          seq: 0,
          time: '2026-11-20T08:00:00Z',
          tenant: 'default',
          hits: [null],
        }),
      ),
      headers: {},
    },
  ])
  await publish(lab.bus, [call(0, 'read', {}), call(1, 'drop_all', {})])
  await drain(lab, { pack: { ...plain, rules, digest: 'broken' } })
  const letters = [topic.events, topic.signals].map(name => contents(lab.bus, deadLetterTopic(name)))
  const [events, signals] = await Promise.all(letters)
  expect(events?.map(({ headers }) => headers['mun_error_code'])).toEqual(['RULE_FAILED'])
  expect(events?.[0]?.headers['mun_error_message']).toMatch(/TypeError at .*\.ts:\d+:\d+/u)
  expect(events?.[0]?.headers['mun_error_message']).not.toMatch(/ada@example|secret/u)
  expect(signals?.map(({ headers }) => headers['mun_error_code'])).toEqual(['SCHEMA_UNKNOWN'])
  expect((await alertsOn(lab.bus)).map(alert => alert.finding_info.title)).toEqual(['plain'])
})

function login(seq: number, id: string): ReturnType<typeof call> {
  return { ...call(seq, 'login', { user: 'the-same' }), principal: { id, method: 'api_key' } }
}

test('a correlation beyond one principal meets its events wherever they came from', async () => {
  await using lab = await openLab()
  const text = `${rule('login', 'tool: login').text}---\ntitle: Shared\nid: shared\nname: shared\nlevel: high\ncorrelation: { type: value_count, rules: [login], group-by: [arguments.user], timespan: 1h, condition: { field: principal, gte: 3 } }\n`
  const pack = compilePack([{ name: 'login', text }])
  await publish(lab.bus, [login(0, 'kim'), login(1, 'lee'), login(2, 'kim'), login(3, 'ann')])
  await drain(lab, { pack })
  const alerts = await alertsOn(lab.bus)
  expect(alerts.map(alert => alert.finding_info.title)).toEqual(['Shared'])
  expect(JSON.stringify(alerts)).not.toContain('the-same')
})

test('rules are taken over when their folder changes, and kept when the new ones cannot be trusted', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'muniment-rules-'))
  let nowMs = 0
  const source = createRuleSource({
    folders: [pathToFileURL(`${folder.path}/`)],
    log: createLogger({ name: 'test', level: 'silent' }),
    now: () => nowMs,
  })
  const names = (): readonly string[] => {
    nowMs += 5_000
    return source.current().rules.map(({ name }) => name)
  }
  const before = names()
  await writeFile(join(folder.path, 'mine.yml'), rule('mine', 'tool: x').text)
  const first = source.current().digest
  expect(names()).toEqual([...before, 'mine'])
  expect(source.current().digest).not.toBe(first)
  await writeFile(join(folder.path, 'broken.yml'), 'title: [')
  expect(names()).toEqual([...before, 'mine'])
  await rm(join(folder.path, 'broken.yml'))
  await rm(join(folder.path, 'mine.yml'))
  expect(names()).toEqual(before)
})

test('a backtest counts matches, notifications and groups, and publishes nothing', async () => {
  const pack = compilePack([rule('drops', 'tool|startswith: drop_')])
  const events = exampleEvents({
    events: [
      { tool: 'drop_table', principal: 'kim', repeat: 12 },
      { tool: 'drop_index', principal: 'lee' },
      { tool: 'read', principal: 'lee', repeat: 5 },
    ],
  })
  const found = await backtestRules(pack, events)
  expect(found.events).toBe(18)
  expect(found.rules).toEqual([
    {
      rule: 'drops',
      matches: 13,
      notifications: 3,
      groups: 2,
      topGroups: [
        { group: 'default|kim|files', count: 12 },
        { group: 'default|lee|files', count: 1 },
      ],
    },
  ])
})

test('an explanation names fields, places and scores, never the text', () => {
  const [event] = exampleEvents({ events: [{ tool: 'find', arguments: { id: "7' or '1'='1' --" } }] })
  if (event === undefined) throw new Error('no event was made')
  const found = explainRule(loadRules(), 'sql-injection', event)
  expect(found).toMatchObject({
    isMatch: true,
    findings: [{ kind: 'sqli', path: 'request.body.params.arguments.id' }],
  })
  expect(JSON.stringify(found)).not.toContain("'1'='1'")
})
