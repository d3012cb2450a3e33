import { createSecretKey } from 'node:crypto'
import { createReplay, loadRules } from '@muniment/detector'
import type { Alert } from '@muniment/schema'
import { expect, test } from 'vitest'
import { alertsPerDay, incidentKinds, isTold, makeFleet, type Fleet } from '../fixtures/fleet-week.ts'

// Few days of few people; the whole week of 200 is `npm run bench -- fleet`.
const key = createSecretKey(Buffer.alloc(32, 9))

function alertsOf({ events }: Fleet): readonly Alert[] {
  const replay = createReplay(loadRules(), key)
  return events.flatMap(event => replay.next(event).alerts)
}

/** Needs hundreds of people: a few of them leave a server alone, or a tool uncalled, for hours anyway. */
const ofLargeFleets = new Set(['silent_server', 'broken_tool'])
const kinds = incidentKinds.filter(kind => !ofLargeFleets.has(kind))

test('incidents of every kind are told of within their first tenth or minute', () => {
  const fleet = makeFleet({ seed: 3, principals: 24, days: 4, incidents: kinds })
  const alerts = alertsOf(fleet)
  const missed = fleet.incidents.filter(each => !isTold(each, alerts)).map(({ kind }) => kind)
  expect(fleet.incidents).toHaveLength(kinds.length)
  expect(missed.length, `missed: ${missed.join(', ')}`).toBeLessThanOrEqual(kinds.length / 10)
})

test('a quiet fleet of 80 people and programs asks for no more than two looks a day', () => {
  const fleet = makeFleet({ seed: 7, principals: 80, days: 2, incidents: [] })
  for (const count of alertsPerDay(fleet, alertsOf(fleet))) expect(count).toBeLessThanOrEqual(2)
})
