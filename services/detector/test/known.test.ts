import { createSecretKey } from 'node:crypto'
import type { MunimentEvent } from '@muniment/schema'
import { expect, test } from 'vitest'
import { likeness } from '../src/behaviour/likeness.ts'
import { grow } from '../src/behaviour/sets.ts'
import { emptyState } from '../src/behaviour/state.ts'
import { observeHandle } from '../src/behaviour/handles.ts'
import { emit } from '../src/emit.ts'
import { createToolLabels, detectionSectionSchema } from '../src/flow/labels.ts'
import { isCopied, marksOf } from '../src/flow/marks.ts'
import { loadRules } from '../src/index.ts'
import { arrangeRules } from '../src/signal.ts'
import { addDistinct, countDistinct, hashOfName } from '../src/stats/distinct.ts'
import { slotName, slotOf } from '../src/stats/profile.ts'
import { call, event } from './fleet.ts'

const key = createSecretKey(Buffer.alloc(32, 7))
const pack = loadRules()
const judge = { pack, arranged: arrangeRules(pack), labels: createToolLabels({}), key }

test.each([
  ['read_file', 'read_fi1e', 'confusable'],
  ['read_file', 'rеad_file', 'confusable'],
  ['get_customer', 'get_custorner', 'confusable'],
  ['transfer_money', 'transfre_money', 'slip'],
  ['create_invoice', 'create_invoicee', 'slip'],
  ['delete_account', 'delete_acount', 'slip'],
  ['readFile', 'read_file', 'same'],
  ['read-file', 'READ_FILE', 'same'],
  ['list_file', 'list_files', undefined],
  ['get_user', 'set_user', undefined],
  ['search_v1', 'search_v2', undefined],
  ['open', 'opus', undefined],
  ['lock_door', 'unlock_door', undefined],
  ['read_file', 'write_file', undefined],
  ['create_issue', 'create_issue_comment', undefined],
])('%s and %s: %s', (left, right, how) => {
  expect(likeness(left, right)).toBe(how)
  expect(likeness(right, left)).toBe(how)
})

function withUrl(url: string): MunimentEvent {
  return call(1, 'notify', { url, session_id: 'f00dfeed12345678aa', 'no name at all, but a sentence': 1 })
}

test('copies for known sets carry hosts, handles and odd names as hashes only', () => {
  const { copies } = emit(withUrl('https://made-up-host.example/path?x=1'), 'lab/0', judge)
  const text = JSON.stringify(copies)
  expect(copies.map(({ signal }) => signal.lane)).toEqual(['lab/0#server', 'lab/0#handle0'])
  expect(text).toContain('destination notify')
  expect(text).not.toMatch(/made-up-host|f00dfeed|no name at all|sentence/u)
})

test.each([
  ['https://user:pw@Host.example:8443/a', 'https://host.example/b', true],
  ['https://host.example./', 'https://host.example', true],
  ['https://host.example@other.example/', 'https://host.example/', false],
  ['https://host.example.other.example/', 'https://host.example/', false],
])('%s leads where %s leads: %s', (left, right, isSame) => {
  const [own, other] = [left, right].map(url => {
    const { copies } = emit(withUrl(url), 'lab/0', judge)
    return copies[0]?.signal.traits?.find(([set]) => set === 'destination notify')?.[1]
  })
  expect(own).toBeTypeOf('string')
  expect(own === other).toBe(isSame)
})

test('a set that outgrows its bound is open: it forgets, and tells of nothing', () => {
  const set = { sinceMs: 0, grownMs: 0, news: 0, isOpen: false, members: [] }
  const rule = pack.byName.get('destination-first-seen')
  if (rule === undefined) throw new Error('the rule is not there')
  const told = Array.from({ length: 500 }, (_, at) =>
    grow(set, `host-${at}`, { rule, most: 32, timeMs: at * 86_400_000 * 2 }),
  )
  expect(told.filter(Boolean).length).toBeLessThan(32)
  expect(set).toMatchObject({ isOpen: true, members: [] })
})

test('newcomers do not hide the next one, but growth of a set is not told in full', () => {
  const set = { sinceMs: 0, grownMs: 0, news: 0, isOpen: false, members: [] }
  const rule = pack.byName.get('principal-first-seen')
  if (rule === undefined) throw new Error('the rule is not there')
  const told = Array.from({ length: 20 }, (_, at) =>
    grow(set, `user-${at}`, { rule, most: 100, timeMs: 10 * 86_400_000 + at }),
  )
  expect(told.slice(0, 2)).toEqual([true, true])
  expect(told.filter(Boolean).length).toBeLessThan(6)
})

test('a handle tells of the first principal to every other, and of nobody to anonymous callers', () => {
  const state = emptyState(0)
  const use = (principal: string): string | undefined =>
    observeHandle(state, {
      event_id: 'e',
      time: '2026-01-05T09:00:00Z',
      tenant: 'default',
      kind: 'call',
      principal,
      handle: 'aa',
      hits: [],
      lane: 'lab/0#handle0',
      seq: 0,
    })
  expect(['anonymous', 'kim', 'kim', 'mallory', 'anonymous', 'kim'].map(use)).toEqual([
    undefined,
    undefined,
    undefined,
    'kim',
    undefined,
    undefined,
  ])
})

function marks(text: string, source: 'argument' | 'result', with_ = key): readonly string[] {
  return marksOf([{ source, path: '', name: 'text', text }], source, with_)
}

const report =
  'The figures for the northern region were reviewed on Tuesday by the whole team which agreed that the plan for spring stays as it is until the new numbers from the warehouse in Ghent have come in and were compared'

test.each([
  ['a passage of the text', `please send: ${report.slice(20, 190)}`, true],
  ['an encoding of it', Buffer.from(report).toString('base64'), true],
  [
    'other words on the same matter',
    'The team met on Tuesday about figures and agreed to wait for the numbers',
    false,
  ],
  ['a phrase of everyday', 'were reviewed on Tuesday by', false],
])('%s is a copy: %s', (_, text, isCopy) => {
  expect(isCopied(marks(report, 'result'), new Set(marks(text, 'argument')))).toBe(isCopy)
})

test('marks hold nothing of the text, are bounded, and differ under another key', () => {
  const long = Array.from({ length: 5_000 }, (_, at) => `word${at} key-${at}-abc123456`).join(' ')
  const found = marks(long, 'result')
  expect(found.length).toBeLessThanOrEqual(48)
  for (const mark of found) expect(mark).toMatch(/^t?[0-9a-f]{12}$/u)
  const other = new Set(marks(long, 'result', createSecretKey(Buffer.alloc(32, 8))))
  expect(found.filter(mark => other.has(mark))).toEqual([])
})

test.each([
  ['web', 'fetch', ['untrusted', 'egress']],
  ['desk', 'search_tickets', ['untrusted']],
  ['shop', 'getCustomer', ['private']],
  ['db', 'query', ['private']],
  ['mail', 'send_email', ['egress']],
  ['calc', 'add', []],
])('by name alone, %s/%s is %j', (server, tool, classes) => {
  expect([...createToolLabels({})(server, tool)]).toEqual(classes)
})

test('a line of the section decides over the name, and the first that fits counts', () => {
  const section = detectionSectionSchema.parse({
    tools: [
      { tool: 'web/status', is: [] },
      { tool: 'web/*', is: ['untrusted'] },
      { tool: '*/add', is: ['private', 'egress'] },
    ],
  })
  const labels = createToolLabels(section)
  expect([...labels('web', 'status')]).toEqual([])
  expect([...labels('web', 'fetch')]).toEqual(['untrusted'])
  expect([...labels('calc', 'add')]).toEqual(['private', 'egress'])
})

test.each([
  [{ tools: [{ tool: 'web', is: [] }] }],
  [{ tools: [{ tool: 'a/b', is: ['secret'] }] }],
  [{ tool: [] }],
])('a section that says what nobody understands is refused: %j', section => {
  expect(detectionSectionSchema.safeParse(section).success).toBe(false)
})

test('a call of a tool that is no part of a flow carries no marks', () => {
  const plain = emit(event(1, { target: 'add' }), 'lab/0', judge)
  expect(plain.signal.flow).toBeUndefined()
})

test.each([10, 64, 65, 200, 1_000, 20_000])(
  '%i different values are counted as exactly as registers can, in bounded room',
  many => {
    const distinct: number[] = []
    for (let round = 0; round < 2; round += 1)
      for (let at = 0; at < many; at += 1) addDistinct(distinct, hashOfName(`value-${at}`))
    expect(distinct.length).toBeLessThanOrEqual(256)
    expect(Math.abs(countDistinct(distinct) - many)).toBeLessThanOrEqual(many <= 64 ? 0 : many * 0.16)
  },
)

test('hours of working days and of weekends are kept apart, and named as people do', () => {
  expect(slotName(slotOf(Date.UTC(2026, 2, 3, 14, 20)))).toBe('on weekdays around 14:00 UTC')
  expect(slotName(slotOf(Date.UTC(2026, 2, 7, 3)))).toBe('on weekends around 03:00 UTC')
})
