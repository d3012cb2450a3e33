import { expect, test } from 'vitest'
import { topic } from '@muniment/schema'
import { subscribe, type SubscribeOptions } from '../src/index.ts'
import { alert, openAlerts, publish } from './alerts.ts'

/** Takes this many alerts, then leaves the loop. */
async function take(count: number, options: SubscribeOptions): Promise<readonly string[]> {
  const uids: string[] = []
  for await (const each of subscribe(options)) {
    uids.push(each.metadata.uid)
    if (uids.length === count) break
  }
  return uids
}

test('a subscriber gets the alerts that pass its filter, in order', async () => {
  await using bus = await openAlerts()
  await publish(bus, [
    alert(0),
    alert(1, { tenant: 'acme' }),
    alert(2, { rule: 'call-rate' }),
    alert(3, { severity: 2 }),
    alert(4),
  ])
  const from = 'oldest'
  expect(
    await take(2, { bus, from, filter: { tenant: 'default', rule: 'path-traversal', minSeverity: 'high' } }),
  ).toEqual(['alert-0', 'alert-4'])
  expect(await take(1, { bus, from, filter: { rule: ['call-rate', 'b7e1'] } })).toEqual(['alert-2'])
  expect(await take(1, { bus, from, filter: { tenant: ['acme'] } })).toEqual(['alert-1'])
})

test('a group resumes after the last alert whose loop body went on', async () => {
  await using bus = await openAlerts()
  await publish(bus, [alert(0), alert(1), alert(2)])
  expect(await take(2, { bus, group: 'pager' })).toEqual(['alert-0', 'alert-1'])
  expect(await take(2, { bus, group: 'pager' })).toEqual(['alert-1', 'alert-2'])
})

test('without a group only what comes from now on is seen, unless asked for the oldest', async () => {
  await using bus = await openAlerts()
  await publish(bus, [alert(0)])
  const stop = new AbortController()
  const seen: string[] = []
  const reading = (async () => {
    for await (const each of subscribe({ bus, signal: stop.signal })) {
      seen.push(each.metadata.uid)
      stop.abort()
    }
  })()
  await new Promise(resolve => {
    setTimeout(resolve, 20)
  })
  await publish(bus, [alert(1)])
  await reading
  expect(seen).toEqual(['alert-1'])
  expect(await take(1, { bus, from: 'oldest' })).toEqual(['alert-0'])
})

test('a group that begins at the newest alert does not see older ones', async () => {
  await using bus = await openAlerts()
  await publish(bus, [alert(0)])
  const taking = take(1, { bus, group: 'fresh', from: 'newest' })
  await new Promise(resolve => {
    setTimeout(resolve, 20)
  })
  await publish(bus, [alert(1)])
  expect(await taking).toEqual(['alert-1'])
})

test('an alert that was published twice arrives once', async () => {
  await using bus = await openAlerts()
  await publish(bus, [alert(0), alert(1), alert(0), alert(1), alert(2)])
  expect(await take(3, { bus, group: 'once' })).toEqual(['alert-0', 'alert-1', 'alert-2'])
})

test('records that hold no alert are passed over and reported', async () => {
  await using bus = await openAlerts()
  await bus.publish(topic.alerts, [{ key: 'default', value: Buffer.from('{}'), headers: {}, partition: 0 }])
  await publish(bus, [alert(0)])
  const offsets: number[] = []
  const onInvalid: SubscribeOptions['onInvalid'] = ({ offset }) => {
    offsets.push(offset)
  }
  expect(await take(1, { bus, group: 'g', onInvalid })).toEqual(['alert-0'])
  expect(offsets).toEqual([0])
})

test('the iteration ends, without an error, when the signal aborts', async () => {
  await using bus = await openAlerts()
  const signal = AbortSignal.timeout(20)
  expect(await take(1, { bus, group: 'g', signal })).toEqual([])
  expect(await take(1, { bus, signal: AbortSignal.abort() })).toEqual([])
})
