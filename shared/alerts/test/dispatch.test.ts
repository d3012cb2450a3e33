import { topic } from '@muniment/schema'
import type { Bus } from '@muniment/bus'
import { describe, expect, test, vi } from 'vitest'
import { createDispatcher, openSink, type Notice, type Route, type Sink } from '../src/index.ts'
import { digestOf } from '../src/notice.ts'
import { alert, openAlerts, publish } from './alerts.ts'
import { openReceiver } from './receiver.ts'

async function dispatchUntil(bus: Bus, routes: readonly Route[], isDone: () => boolean): Promise<void> {
  const stop = new AbortController()
  const running = createDispatcher({ bus, routes }).run(stop.signal)
  await vi.waitFor(() => expect(isDone()).toBe(true), { interval: 5 })
  stop.abort()
  await running
}

test('each sink gets each alert that passes its filter once, also when it was published twice', async () => {
  await using bus = await openAlerts()
  await using lab = await openReceiver()
  const lines: string[] = []
  const write = (line: string): Promise<void> => Promise.resolve(void lines.push(line))
  await publish(bus, [alert(0), alert(1, { severity: 1 }), alert(0), alert(1, { severity: 1 }), alert(2)])
  const routes = [
    { name: 'hook', sink: lab.sink, filter: { minSeverity: 'high' as const } },
    { name: 'lines', sink: await openSink({ kind: 'stdout', write }) },
  ]
  await dispatchUntil(bus, routes, () => lines.length >= 3 && lab.taken().length >= 2)
  expect(lab.taken()).toEqual(['alert-0', 'alert-2'])
  expect(lines.length).toBe(3)
})

test('what a sink finally does not take goes to the dead letters, and the next alert goes on', async () => {
  await using bus = await openAlerts()
  await using lab = await openReceiver({ attempts: 2 })
  lab.failNext(2)
  await publish(bus, [alert(0), alert(1)])
  await dispatchUntil(bus, [{ name: 'hook', sink: lab.sink }], () => lab.taken().length === 1)
  const dead = []
  const { signal } = new AbortController()
  for await (const record of bus.read({ topic: `${topic.alerts}.dlq`, untilEnd: true, signal }))
    dead.push(record)
  expect(dead.map(({ headers }) => [headers['mun_error_stage'], headers['mun_error_code']])).toEqual([
    ['alerts.hook', 'DEPENDENCY_UNREACHABLE'],
  ])
})

function uids(all: readonly Notice[]): string[] {
  return all.map(each => (each.kind === 'alert' ? each.alert.metadata.uid : `digest of ${each.digest.count}`))
}

/** A place that takes everything, and remembers. */
function place(): { readonly sink: Sink; readonly got: Notice[] } {
  const got: Notice[] = []
  const deliver = async (notice: Notice): Promise<void> => void got.push(notice)
  return { sink: { kind: 'memory', deliver, [Symbol.asyncDispose]: async () => undefined }, got }
}

describe('a place that is given a rate', () => {
  test('gets what is above it as one digest, and nothing is dropped', async () => {
    await using bus = await openAlerts()
    const { sink, got } = place()
    await publish(
      bus,
      Array.from({ length: 500 }, (_, seq) => alert(seq, { rule: seq % 5 === 0 ? 'rare' : 'flood' })),
    )
    const rate = { perMinute: 1, burst: 3 }
    await dispatchUntil(bus, [{ name: 'pager', sink, rate }], () => got.length >= 3)
    expect(uids(got)).toEqual(['alert-0', 'alert-1', 'digest of 498'])
    const [, , last] = got
    expect(last?.kind === 'digest' ? last.digest.groups.map(({ rule, count }) => [rule, count]) : []).toEqual(
      [
        ['flood', 399],
        ['rare', 99],
      ],
    )
  })

  test('gets each alert by itself below it', async () => {
    await using bus = await openAlerts()
    const { sink, got } = place()
    await publish(bus, [alert(0), alert(1), alert(2)])
    await dispatchUntil(
      bus,
      [{ name: 'pager', sink, rate: { perMinute: 60, burst: 3 } }],
      () => got.length >= 3,
    )
    expect(uids(got)).toEqual(['alert-0', 'alert-1', 'alert-2'])
  })
})

test('a place that is away holds up no other', async () => {
  await using bus = await openAlerts()
  await using away = await openReceiver({ attempts: 1000, firstPauseMs: 50 })
  await using lab = await openReceiver()
  away.failNext(1_000_000)
  await publish(bus, [alert(0), alert(1)])
  const routes = [
    { name: 'away', sink: away.sink },
    { name: 'there', sink: lab.sink },
  ]
  await dispatchUntil(bus, routes, () => lab.taken().length === 2)
  expect(away.taken()).toEqual([])
})

test('a dispatcher that dies between delivering and remembering repeats only that alert, by the same key', async () => {
  await using bus = await openAlerts()
  await using lab = await openReceiver()
  const all = Array.from({ length: 6 }, (_, seq) => alert(seq))
  await publish(bus, all)
  const crash = new AbortController()
  const dying: Sink = {
    kind: 'webhook',
    deliver: async (notice, signal) => {
      await lab.sink.deliver(notice, signal)
      // The request was taken, and its answer never seen.
      if (lab.taken().length === 3) crash.abort()
      signal.throwIfAborted()
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  await createDispatcher({ bus, routes: [{ name: 'hook', sink: dying }] }).run(crash.signal)
  await dispatchUntil(bus, [{ name: 'hook', sink: lab.sink }], () => lab.taken().includes('alert-5'))
  expect(lab.taken()).toEqual(['alert-0', 'alert-1', 'alert-2', 'alert-2', 'alert-3', 'alert-4', 'alert-5'])
})

test('a digest is bounded whatever alerts it is of, and its name follows from them', () => {
  const all = Array.from({ length: 1000 }, (_, seq) => alert(seq, { rule: `r${seq}`, severity: seq % 6 }))
  const digest = digestOf(all)
  expect(digest.groups).toHaveLength(20)
  expect(digest.groups.reduce((sum, { count }) => sum + count, 0)).toBe(1000)
  expect(digest.groups[0]?.severity).toBe(5)
  expect(digestOf(all).uid).toBe(digest.uid)
  expect(digestOf(all.slice(1)).uid).not.toBe(digest.uid)
})
