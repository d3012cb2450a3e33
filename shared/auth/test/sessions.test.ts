import { expect, test } from 'vitest'
import { createSessions, endAllSessions, openMemoryShelf } from '@muniment/auth'
import { clockAt } from './request.ts'

const alice = { id: 'alice', issuer: 'https://login.example.com', method: 'oauth' }
const bob = { ...alice, id: 'bob' }
const minuteMs = 60_000

test('a session is whose who used it first: a stolen one is worth nothing to others, and one that was pushed on somebody is refused', () => {
  const sessions = createSessions({ now: clockAt(1).now })
  expect(sessions.use('s1', alice)).toBe('good')
  expect(sessions.use('s1', bob)).toBe('of_other_principal')
  expect(sessions.use('s1', { ...alice, issuer: 'https://other.example' })).toBe('of_other_principal')
  expect(sessions.use('s1', { ...alice, method: 'api_key' })).toBe('of_other_principal')
  expect(sessions.use('s1', alice)).toBe('good')
})

test('who claims an id ahead keeps its owner out, and never gets in', () => {
  const sessions = createSessions({ now: clockAt(1).now })
  expect(sessions.use('guessed', bob)).toBe('good')
  expect(sessions.use('guessed', alice)).toBe('of_other_principal')
  sessions.end('guessed')
  expect([alice, bob].map(each => sessions.use('guessed', each))).toEqual(['of_other_principal', 'over'])
})

test('it ends when it is not used, when its time is over, and for good', () => {
  const clock = clockAt(1)
  const sessions = createSessions({ now: clock.now, idleMs: 30 * minuteMs, absoluteMs: 60 * minuteMs })
  sessions.use('idle', alice)
  sessions.use('busy', alice)
  for (const after of [20, 20, 20]) {
    clock.pass(after * minuteMs)
    expect(sessions.use('busy', alice)).toBe('good')
  }
  expect(sessions.use('idle', alice)).toBe('over')
  expect(sessions.use('idle', alice)).toBe('over')
  clock.pass(minuteMs)
  expect(sessions.use('busy', alice)).toBe('over')
})

test('it is over after it was ended, also for who replays it', () => {
  const sessions = createSessions({ now: clockAt(1).now })
  sessions.use('s1', alice)
  sessions.end('s1')
  expect(sessions.use('s1', alice)).toBe('over')
  expect(sessions.use('s1', bob)).toBe('of_other_principal')
})

test('all are over everywhere after one command, and new ones are not', async () => {
  const clock = clockAt(1)
  const ended = openMemoryShelf()
  const doors = [1, 2].map(() => createSessions({ now: clock.now, ended }))
  for (const [door, sessions] of doors.entries()) sessions.use(`s${door}`, alice)
  clock.pass(minuteMs)
  await endAllSessions(ended, clock.now())
  clock.pass(1)
  for (const [door, sessions] of doors.entries()) {
    sessions.use('prompts the reading', bob)
    await ended.read()
    await expect.poll(() => sessions.use(`s${door}`, alice)).toBe('over')
    clock.pass(1)
    expect(sessions.use(`new${door}`, alice)).toBe('good')
  }
})

test.each(['', '0', '12', undefined, 'mangled', '1e999'])(
  'what ended them cannot be taken back by a shelf that says %j',
  async text => {
    const clock = clockAt(1)
    let said: string | undefined = String(clock.now() + minuteMs)
    const read = () => Promise.resolve(said === undefined ? undefined : { text: said, version: '1' })
    const sessions = createSessions({
      now: clock.now,
      ended: { read, replace: () => Promise.resolve(false) },
    })
    sessions.use('old', alice)
    await read()
    said = text
    clock.pass(2 * minuteMs)
    sessions.use('prompts the reading', bob)
    await read()
    expect(sessions.use('old', alice)).toBe('over')
    said = '0'
    clock.pass(minuteMs)
    sessions.use('prompts the reading', bob)
    await read()
    expect(sessions.use('new', alice)).toBe('good')
  },
)
