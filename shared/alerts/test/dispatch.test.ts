import { topic } from '@muniment/schema'
import type { Bus } from '@muniment/bus'
import { expect, test, vi } from 'vitest'
import { createDispatcher, openSink, type Route } from '../src/index.ts'
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
    { sink: lab.sink, filter: { minSeverity: 'high' as const } },
    { sink: openSink({ kind: 'stdout', write }) },
  ]
  await dispatchUntil(bus, routes, () => lines.length >= 3)
  expect(lab.taken()).toEqual(['alert-0', 'alert-2'])
  expect(lines.length).toBe(3)
})

test('what a sink finally does not take goes to the dead letters, and the next alert goes on', async () => {
  await using bus = await openAlerts()
  await using lab = await openReceiver({ attempts: 2 })
  lab.failNext(2)
  await publish(bus, [alert(0), alert(1)])
  await dispatchUntil(bus, [{ sink: lab.sink }], () => lab.taken().length === 1)
  const dead = []
  const { signal } = new AbortController()
  for await (const record of bus.read({ topic: `${topic.alerts}.dlq`, untilEnd: true, signal }))
    dead.push(record)
  expect(dead.map(({ headers }) => [headers['mun_error_stage'], headers['mun_error_code']])).toEqual([
    ['alerts.webhook', 'DEPENDENCY_UNREACHABLE'],
  ])
})
