import { createSecretKey } from 'node:crypto'
import { createReplay, loadRules } from '@muniment/detector'
import type { Alert } from '@muniment/schema'
import { alertsPerDay, incidentKinds, isTold, makeFleet, type Fleet } from '../fixtures/fleet-week.ts'
import type { Figure } from './figure.ts'

const week = { principals: 200, days: 7 } as const
const key = createSecretKey(Buffer.alloc(32, 9))

function alertsOf({ events }: Fleet): readonly Alert[] {
  const replay = createReplay(loadRules(), key)
  return events.flatMap(event => replay.next(event).alerts)
}

/** Incidents told of within their first tenth or minute, over a week of traffic each. */
function toldShare(seeds: readonly number[]): number {
  const told = seeds.flatMap(seed => {
    const fleet = makeFleet({ ...week, seed, incidents: incidentKinds })
    const alerts = alertsOf(fleet)
    return fleet.incidents.map(incident => isTold(incident, alerts))
  })
  return told.filter(Boolean).length / told.length
}

/** Runs a made-up week of 200 people and programs: are incidents told of in time, and is it quiet without them? */
export function run(): Promise<readonly Figure[]> {
  const share = toldShare([3, 4])
  const quiet = makeFleet({ ...week, seed: 7, incidents: [] })
  const most = Math.max(...alertsPerDay(quiet, alertsOf(quiet)))
  return Promise.resolve([
    { name: 'incidents_told_in_time', value: share, unit: 'of 1', reference: 0.9, ratio: share / 0.9 },
    {
      name: 'alerts_on_worst_quiet_day',
      value: most,
      unit: '1/day',
      reference: 5,
      ratio: most === 0 ? 5 : 5 / most,
    },
  ])
}
