// The promises of the design, checked against what is in the archive when everything has come to its end.
import { openArchive, verifyArchive } from '@muniment/archive'
import { eventSchema, topic, type MunimentEvent } from '@muniment/schema'
import { checkAlerts, lanesWithHoles, type ArchivedAlert } from './check-alerts.ts'
import { checkLane } from './check-lane.ts'
import { personal } from './calls.ts'
import { checkLetters, lettersOf, wholeNumbers, type Letter } from './letters.ts'
import type { World } from './run.ts'

/** What was found wrong, and how much was looked at. */
export interface Found {
  readonly violations: readonly string[]
  readonly calls: number
  readonly manifests: number
}

/** The records of a topic as they are in the archive, in the order of partitions and offsets. */
async function archived({ site: { store, keys } }: World, name: string): Promise<readonly Buffer[]> {
  const archive = openArchive({ store, keys: keys.segmentKeys })
  const records: Buffer[] = []
  for await (const found of archive.manifests(name))
    for (const segment of found.manifest.segments) {
      const reader = await archive.openSegment(found, segment)
      for await (const record of reader.rawRows()) records.push(record)
    }
  return records
}

async function checkArchive({ site: { store, keys } }: World): Promise<Found> {
  const verifierKey = await keys.logVerifierKeys()
  const report = await verifyArchive({ store, keys: keys.segmentKeys, verifierKey })
  const { problems, notes, anchored, covered, checked } = report
  const violations = problems.map(({ code, object, reason }) => `verify: ${code} ${object}: ${reason}`)
  for (const { code, object, reason } of notes)
    if (code !== 'lane.open' && code !== 'lane.declared' && code !== 'object.orphan')
      violations.push(`verify notes: ${code} ${object}: ${reason}`)
  for (const { topic: name, partition, next_offset: end } of covered) {
    const until = anchored?.until.find(each => each.topic === name && each.partition === partition)
    if (until?.next_offset !== end)
      violations.push(`${name}/${partition} is anchored until ${until?.next_offset}, not ${end}`)
  }
  return { violations, calls: 0, manifests: checked.manifests }
}

function holdsPersonal(value: Uint8Array): boolean {
  return personal.some(text => Buffer.from(value).includes(text))
}

/** Nothing that leaves the masker may hold what is personal; nothing before it is readable at all. */
async function checkSecrecy({ site, producers }: World, records: readonly Buffer[]): Promise<string[]> {
  const places: [string, Uint8Array][] = records.map(record => ['the archive', record])
  for (const [name, logs] of site.broker.logs) for (const { value } of logs.flat()) places.push([name, value])
  for await (const key of site.state.list('')) {
    const entry = await site.state.get(key)
    if (entry !== undefined) places.push([`state ${key}`, entry.value])
  }
  for (const { disk } of producers)
    for (const { value } of await disk.peek(Infinity)) places.push(['a spool', value])
  return places.filter(([, value]) => holdsPersonal(value)).map(([place]) => `${place} holds personal data`)
}

function checkOnce(events: readonly MunimentEvent[]): string[] {
  const times = new Map<string | number, number>()
  for (const { kind, rpc_id: id } of events)
    if (id !== undefined && kind !== 'notification') times.set(id, (times.get(id) ?? 0) + 1)
  return [...times]
    .filter(([, count]) => count > 1)
    .map(([id, count]) => `call ${id} is archived ${count} times`)
}

function groupByLane(events: readonly MunimentEvent[]): Map<string, MunimentEvent[]> {
  const lanes = new Map<string, MunimentEvent[]>()
  for (const event of events) {
    const lane = `${event.source.instance}/${event.source.epoch}`
    lanes.set(lane, [...(lanes.get(lane) ?? []), event])
  }
  return lanes
}

async function checkLanes(
  world: World,
  letters: readonly Letter[],
  events: ReadonlyMap<string, readonly MunimentEvent[]>,
): Promise<string[]> {
  const violations: string[] = []
  for (const { record } of world.producers) {
    const own = letters.filter(({ lane }) => lane === record.lane)
    const whole = own.length === 0 ? new Set<number>() : await wholeNumbers(world, record.lane)
    violations.push(...checkLane({ record, letters: own, whole }, events.get(record.lane) ?? []))
  }
  return violations
}

/** Checks every promise; the archive is read as an auditor would. */
export async function check(world: World): Promise<Found> {
  const { violations, manifests } = await checkArchive(world)
  const records = await archived(world, topic.events)
  const events = records.map(record => eventSchema.parse(JSON.parse(record.toString())))
  const alertRecords = await archived(world, topic.alerts)
  const alerts: ArchivedAlert[] = alertRecords.map(record => JSON.parse(record.toString()))
  const lanes = groupByLane(events)
  const letters = await lettersOf(world)
  const known = new Set(world.producers.map(({ record }) => record.lane))
  const foreign = [...lanes.keys()].filter(lane => !known.has(lane))
  return {
    violations: [
      ...violations,
      ...checkOnce(events),
      ...foreign.map(lane => `nobody opened the lane ${lane}`),
      ...(await checkLanes(world, letters, lanes)),
      ...lanesWithHoles(alerts).map(lane => `a hole was seen where there is none: ${lane}`),
      ...(await checkAlerts(world, events, alerts)),
      ...(await checkSecrecy(world, [...records, ...alertRecords])),
      ...checkLetters(world, letters),
    ],
    calls: world.producers.reduce((sum, { record }) => sum + record.exchanges.length, 0),
    manifests,
  }
}
