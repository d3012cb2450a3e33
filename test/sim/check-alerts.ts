import { createDetector } from '@muniment/detector'
import { openBus } from '@muniment/bus'
import { topic, type MunimentEvent } from '@muniment/schema'
import { openState } from '@muniment/state'
import { pack } from './site.ts'
import { epochMs } from './time.ts'
import type { World } from './run.ts'

/** What is looked at in an alert. */
export interface ArchivedAlert {
  readonly metadata: { readonly uid: string }
  readonly finding_info: {
    readonly analytic: { readonly name: string }
    readonly related_events: readonly { readonly uid: string }[]
  }
  readonly unmapped: {
    readonly dedup_key: string
    readonly source: { readonly lane: string; readonly seq: number }
  }
}

const silent = (): void => undefined

/** The alerts that a detector finds which nothing ever happens to, in the same signals. */
async function undisturbed({ site: { broker } }: World): Promise<readonly ArchivedAlert[]> {
  const bus = await openBus({ kind: 'memory' })
  await bus.createTopics()
  const signals = (broker.logs.get(topic.signals) ?? []).flat()
  // One at a time, because the times of records count.
  for (const { key, value, headers, partition } of signals)
    await bus.publish(topic.signals, [{ key, value, headers, partition }])
  const state = await openState({ kind: 'memory' })
  const log = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, child: () => log }
  const { behaviour } = createDetector({ bus, state, evidenceKey: broken, log, now: () => epochMs, pack })
  const stop = new AbortController()
  const running = behaviour.run(stop.signal)
  const isDone = async (): Promise<boolean> =>
    (await bus.describe(topic.signals, 'muniment.detector.behaviour')).every(
      ({ nextOffset, committedOffset = 0 }) => committedOffset === nextOffset,
    )
  while (!(await isDone())) await new Promise(resolve => setImmediate(resolve))
  stop.abort()
  await running
  const alerts: ArchivedAlert[] = []
  for await (const { value } of bus.read({
    topic: topic.alerts,
    untilEnd: true,
    signal: new AbortController().signal,
  }))
    alerts.push(JSON.parse(Buffer.from(value).toString()))
  return alerts
}

function broken(): Promise<never> {
  return Promise.reject(new Error('behaviour needs no evidence key'))
}

function namesOf(alerts: readonly ArchivedAlert[]): Set<string> {
  return new Set(
    alerts.map(({ metadata, unmapped: { source } }) => `${metadata.uid} ${source.lane}:${source.seq}`),
  )
}

function checkGaps(events: readonly MunimentEvent[], alerts: readonly ArchivedAlert[]): string[] {
  const lanes = new Set(
    events
      .filter(({ gap }) => gap !== undefined)
      .map(({ source, tenant }) => `lane-gap|${tenant}|${source.instance}/${source.epoch}`),
  )
  const alerted = alerts.filter(({ finding_info: { analytic } }) => analytic.name === 'lane-gap')
  const keys = new Set(alerted.map(({ unmapped }) => unmapped.dedup_key))
  return [
    ...[...lanes].filter(key => !keys.has(key)).map(key => `no alert for ${key}`),
    ...[...keys].filter(key => !lanes.has(key)).map(key => `an alert without a gap: ${key}`),
  ]
}

function checkAttacks(
  attacks: ReadonlySet<number>,
  events: readonly MunimentEvent[],
  alerts: readonly ArchivedAlert[],
): string[] {
  const violations: string[] = []
  for (const event of events) {
    const { id, kind, rpc_id: rpcId } = event
    if (kind !== 'call' || !attacks.has(Number(rpcId))) continue
    const raised = alerts.filter(
      ({ finding_info: info }) =>
        info.analytic.name === 'path-traversal' && info.related_events.some(({ uid }) => uid === id),
    )
    if (raised.length !== 1) violations.push(`attack ${rpcId} has ${raised.length} alerts`)
  }
  return violations
}

function checkIds(expected: ReadonlySet<string>, alerts: readonly ArchivedAlert[]): string[] {
  const found = namesOf(alerts)
  const isUnique = new Set(alerts.map(({ metadata }) => metadata.uid)).size === alerts.length
  return [
    ...(isUnique ? [] : ['an alert is in the archive twice']),
    ...[...expected].filter(name => !found.has(name)).map(name => `alert ${name} is missing`),
    ...[...found].filter(name => !expected.has(name)).map(name => `alert ${name} should not be there`),
  ]
}

/** Lanes of which an alert says that numbers never arrived. */
export function lanesWithHoles(alerts: readonly ArchivedAlert[]): readonly string[] {
  const holes = alerts.filter(({ finding_info: { analytic } }) => analytic.name === 'lane-hole')
  return holes.map(({ unmapped }) => unmapped.dedup_key.split('|')[2] ?? '')
}

/** Every alert that is due once by its id, and no other. */
export async function checkAlerts(
  world: World,
  events: readonly MunimentEvent[],
  alerts: readonly ArchivedAlert[],
): Promise<string[]> {
  const attacks = new Set(world.producers.flatMap(({ record }) => [...record.attacks]))
  return [
    ...checkIds(namesOf(await undisturbed(world)), alerts),
    ...checkAttacks(attacks, events, alerts),
    ...checkGaps(events, alerts),
  ]
}
