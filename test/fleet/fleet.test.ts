import { createSecretKey } from 'node:crypto'
import { createReplay, loadRules } from '@muniment/detector'
import type { Alert } from '@muniment/schema'
import { expect, test } from 'vitest'
import { incidentKinds, makeFleet, type Fleet, type Incident } from '../fixtures/fleet-week.ts'

const key = createSecretKey(Buffer.alloc(32, 9))
const day = 86_400_000

function alertsOf({ events }: Fleet): readonly Alert[] {
  const replay = createReplay(loadRules(), key)
  return events.flatMap(event => replay.next(event).alerts)
}

/** Told within the first tenth of the incident, or its first minute. */
function isTold(incident: Incident, alerts: readonly Alert[]): boolean {
  const { startMs, endMs, rules, principal } = incident
  const lateMs = startMs + Math.max(60_000, (endMs - startMs) / 10)
  return alerts.some(
    ({ time, actor, finding_info: { analytic } }) =>
      rules.includes(analytic.name ?? '') &&
      (actor === undefined || actor.user.uid === principal) &&
      time >= startMs - 1 &&
      time <= lateMs,
  )
}

test('incidents of every kind are told of within their first tenth or minute', () => {
  const told = [3].flatMap(seed => {
    const fleet = makeFleet({ seed, principals: 40, days: 2, incidents: incidentKinds })
    const alerts = alertsOf(fleet)
    return fleet.incidents.map(incident => ({ kind: incident.kind, isTold: isTold(incident, alerts) }))
  })
  const missed = told.filter(each => !each.isTold).map(({ kind }) => kind)
  expect(missed.length, `missed: ${missed.join(', ')}`).toBeLessThanOrEqual(told.length / 10)
})

test('a quiet fleet of 200 people and programs asks for no more than five looks a day', () => {
  const fleet = makeFleet({ seed: 7, principals: 200, days: 2, incidents: [] })
  const perDay = [0, 1].map(today => {
    const fromMs = fleet.startMs + today * day
    return (alerts: readonly Alert[]) => alerts.filter(({ time }) => time >= fromMs && time < fromMs + day)
  })
  const alerts = alertsOf(fleet)
  for (const onDay of perDay)
    expect(onDay(alerts).map(({ message }) => message).length).toBeLessThanOrEqual(5)
})
