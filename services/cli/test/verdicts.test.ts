import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBus } from '@muniment/bus'
import { alertSchema, topic, type Alert } from '@muniment/schema'
import { openState } from '@muniment/state'
import { createExceptions, keepVerdict, verdictOn } from '../src/verdicts.ts'
import { muniment, type Ran } from './io.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-verdicts-'))
})
afterEach(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

const run = async (...args: string[]): Promise<Ran> => muniment(args, { env: { MUNIMENT_HOME: home } })

function alertOf(uid: string, dedupKey = `spree|default|${uid}`, rule = 'spree'): Alert {
  return alertSchema.parse({
    class_uid: 2004,
    category_uid: 2,
    activity_id: 1,
    type_uid: 200_401,
    time: 1_770_000_000_000,
    severity_id: 4,
    status_id: 1,
    is_alert: true,
    message: 'made up',
    metadata: {
      uid,
      version: '1.8.0',
      product: { name: 'Muniment', vendor_name: 'Muniment', version: '0.1.0' },
      tenant_uid: 'default',
    },
    finding_info: {
      uid: `finding-${uid}`,
      title: 'Spree',
      analytic: { uid: rule, name: rule, type_id: 1 },
      first_seen_time: 0,
      last_seen_time: 0,
    },
    evidences: [],
    observables: [],
    count: 1,
    unmapped: { dedup_key: dedupKey, source: { lane: 'detector.p0/0', seq: 0 } },
  })
}

async function raise(...alerts: readonly Alert[]): Promise<void> {
  await using bus = await openBus({ kind: 'embedded', dir: join(home, 'bus') })
  const records = alerts.map(alert => ({
    key: 'default',
    value: Buffer.from(JSON.stringify(alert)),
    headers: {},
    partition: 0,
  }))
  await bus.publish(topic.alerts, records)
}

describe('a verdict', () => {
  test('counts for its rule, and the last word about an alert is the one that counts', async () => {
    await raise(alertOf('a1'), alertOf('a2'), alertOf('b1', 'k', 'calm'))
    expect(await run('alerts', 'ack', 'a1', '--reason', 'it was one')).toMatchObject({
      exitCode: 0,
      stderr: '',
    })
    await run('alerts', 'ack', 'a2', '--reason', 'so it seems')
    await run('alerts', 'false-positive', 'a2', '--reason', 'it was not')
    await run('alerts', 'ack', 'b1', '--reason', 'yes')
    expect((await run('alerts', 'stats')).stdout).toBe(
      '  50 %  spree  1 right, 1 false\n 100 %  calm  1 right, 0 false\n',
    )
  })

  test.each([
    ['an alert that is not there', ['false-positive', 'nope', '--reason', 'x'], 'There is no alert nope'],
    ['no reason', ['ack', 'a1'], 'Say why'],
    [
      'an exception for what was right',
      ['ack', 'a1', '--reason', 'x', '--except', '1d'],
      'goes with false-positive',
    ],
    ['an exception without an end', ['false-positive', 'a1', '--reason', 'x', '--except', '99d'], '31 days'],
    ['something else', ['explode', 'a1'], 'ack, false-positive or stats'],
  ])('with %s is refused by name', async (_, args, message) => {
    await raise(alertOf('a1'))
    expect((await run('alerts', ...args)).stderr).toContain(message)
    expect((await run('alerts', 'stats')).stderr).toContain('No verdicts yet')
  })
})

test('an exception holds back its dedup key alone, until it expires, or the alert turns out to be right', async () => {
  await using state = await openState({ kind: 'memory' })
  const clock = { ms: 1000 }
  const isHeldBack = createExceptions(state, () => clock.ms)
  const alert = alertOf('a1')
  const said = { reason: 'made up', timeMs: clock.ms }
  await keepVerdict(state, verdictOn(alert, { ...said, verdict: 'false_positive', exceptUntilMs: 60_000 }))
  expect(await isHeldBack(alert)).toBe(true)
  expect(await isHeldBack(alertOf('a2'))).toBe(false)
  clock.ms = 60_000
  expect(await isHeldBack(alert)).toBe(false)
  clock.ms = 30_000
  await keepVerdict(state, verdictOn(alert, { ...said, timeMs: clock.ms, verdict: 'ack' }))
  clock.ms = 70_000
  expect(await isHeldBack(alert)).toBe(false)
})
