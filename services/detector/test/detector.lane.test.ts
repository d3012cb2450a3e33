import { alertSchema, signalSchema, topic, type Alert, type MunimentEvent } from '@muniment/schema'
import { expect, test } from 'vitest'
import { loadRules } from '../src/index.ts'
import { alertsOn, call, contents, deep, drain, event, list, openLab, publish, type Lab } from './fleet.ts'

const tool = (name: string, description = name): Record<string, unknown> => ({
  name,
  description,
  inputSchema: { type: 'object' },
})

const incident: readonly MunimentEvent[] = [
  event(0, { kind: 'heartbeat', lane: { state: 'start' }, method: undefined, outcome: undefined }),
  list(1, [tool('read_file'), tool('query')]),
  call(2, 'read_file', { path: '../../../../../etc/passwd' }),
  call(3, 'query', { id: "1' UNION SELECT name, password FROM users -- " }),
  list(4, [tool('read_file', 'Reads a file. Now in other words.'), tool('query')]),
  call(5, 'wipe_disk', {}),
  event(9, { kind: 'gap', gap: { from_seq: 6, to_seq: 9, reason: 'ring_full', count: 4 } }),
  call(10, 'read_file', { path: 'notes.txt' }),
]

const names = new Set([
  'lane-gap',
  'path-traversal',
  'sql-injection',
  'tool-definition-changed',
  'tool-first-seen',
])

const rulesOf = (alerts: readonly Alert[]): readonly (string | undefined)[] =>
  alerts.map(alert => alert.finding_info.analytic.name)

test('events become valid signals and valid alerts, one per incident, in numbered lanes', async () => {
  await using lab = await openLab()
  await publish(lab.bus, incident)
  await drain(lab)
  const alerts = await alertsOn(lab.bus)
  expect(new Set(rulesOf(alerts))).toEqual(names)
  expect(alerts.length).toBe(names.size)
  for (const alert of alerts) expect(alertSchema.parse(alert)).toEqual(alert)
  for (const { value } of await contents(lab.bus, topic.signals)) signalSchema.parse(JSON.parse(value))
  const lanes = Map.groupBy(await contents(lab.bus, topic.alerts), ({ headers }) => headers['mun_lane'])
  for (const records of lanes.values()) {
    expect(records.map(({ headers }) => Number(headers['mun_seq']))).toEqual(records.map((_, index) => index))
    expect(new Set(records.map(({ partition }) => partition)).size).toBe(1)
  }
})

test('signals and alerts never carry the matched text', async () => {
  await using lab = await openLab()
  await publish(lab.bus, incident)
  await drain(lab)
  const all = [...(await contents(lab.bus, topic.signals)), ...(await contents(lab.bus, topic.alerts))]
  expect(all.length).toBeGreaterThan(8)
  for (const { value } of all) expect(value).not.toMatch(/passwd|UNION|etc\/|other words/u)
})

test('arguments and definitions nested without end stop nobody', async () => {
  await using lab = await openLab()
  const schema = (more: string): Record<string, unknown> => ({
    ...tool('read_file'),
    inputSchema: { type: 'object', default: deep, more },
  })
  await publish(lab.bus, [
    list(0, [schema('one'), tool('query')]),
    call(1, 'read_file', { path: deep }),
    list(2, [schema('two'), tool('query')]),
    call(3, 'query', { id: "1' UNION SELECT name, password FROM users -- " }),
  ])
  await drain(lab)
  const raised = rulesOf(await alertsOn(lab.bus))
  expect(raised).toContain('tool-definition-changed')
  expect(raised).toContain('sql-injection')
})

test('events published twice raise nothing twice', async () => {
  await using lab = await openLab()
  await publish(lab.bus, incident)
  await publish(lab.bus, incident.slice(2))
  await drain(lab)
  await publish(lab.bus, incident)
  await drain(lab)
  expect((await alertsOn(lab.bus)).length).toBe(names.size)
})

test('what was learnt survives a restart', async () => {
  await using lab = await openLab()
  await publish(lab.bus, incident.slice(0, 4))
  await drain(lab)
  await publish(lab.bus, incident.slice(4))
  await drain(lab)
  const rules = rulesOf(await alertsOn(lab.bus))
  expect(new Set(rules)).toEqual(names)
  expect(rules.length).toBe(names.size)
})

test('a hole in the numbers that no gap accounts for is reported', async () => {
  await using lab = await openLab()
  await publish(lab.bus, incident.slice(0, 3))
  await drain(lab)
  await publish(lab.bus, [call(7, 'read_file', { path: 'a.txt' })])
  await drain(lab)
  const alerts = await alertsOn(lab.bus)
  const alert = alerts.find(each => each.finding_info.analytic.name === 'lane-hole')
  expect(alert?.message).toContain('numbers 3–6 of lab-1/0')
})

test('a record that is no event goes to the dead letters and the rest goes on', async () => {
  await using lab = await openLab()
  const undated = { ...call(0, 'x', {}), time: 'yesterday' }
  await publish(lab.bus, [{ ...undated, source: { ...undated.source, instance: 'odd' } }])
  await lab.bus.publish(topic.events, [{ key: 'lab-1/0', value: Buffer.from('{"id":'), headers: {} }])
  await publish(lab.bus, incident)
  await drain(lab)
  const dead = (await contents(lab.bus, `${topic.events}.dlq`)).map(({ value }) => value.slice(0, 6))
  expect(new Set(dead)).toEqual(new Set(['{"id":', '{"id":']))
  expect(dead.length).toBe(2)
  const told = rulesOf(await alertsOn(lab.bus))
  expect(told.filter(name => name !== 'put-aside')).toHaveLength(names.size)
  expect(told.filter(name => name === 'put-aside')).toHaveLength(2)
})

test('a gap over numbers that were seen before is no loss', async () => {
  await using lab = await openLab()
  await publish(lab.bus, incident.slice(0, 4))
  await drain(lab)
  const gap = { from_seq: 1, to_seq: 3, reason: 'BATCH_UNREADABLE', count: 3 }
  await publish(lab.bus, [event(3, { kind: 'gap', gap })])
  await drain(lab)
  expect(rulesOf(await alertsOn(lab.bus))).not.toContain('lane-gap')
})

function claim(from: number, to: number): MunimentEvent {
  const gap = {
    from_seq: from,
    to_seq: to,
    reason: 'BATCH_UNREADABLE',
    count: to - from + 1,
    claimed: true,
  } as const
  return event(to, { kind: 'gap', gap })
}

test.each([
  ['at once', [[...incident.slice(0, 4), claim(3, 5), call(6, 'read_file', { path: 'a.txt' })]]],
  ['one by one', [incident.slice(0, 4), [claim(3, 5)], [call(6, 'read_file', { path: 'a.txt' })]]],
])(
  'a claim that goes on where its lane has come to is a loss of what was not seen, %s',
  async (_, batches) => {
    await using lab = await openLab()
    for (const batch of batches) {
      await publish(lab.bus, batch)
      await drain(lab)
    }
    const alerts = await alertsOn(lab.bus)
    expect(rulesOf(alerts)).not.toContain('lane-hole')
    const [alert, ...more] = alerts.filter(each => each.finding_info.analytic.name === 'lane-gap')
    expect(alert?.message).toContain('2 events of lab-1/0 are missing (BATCH_UNREADABLE), numbers 4–5')
    expect(more).toEqual([])
  },
)

test('a forged claim that jumps over numbers to come raises no alert and hides no hole', async () => {
  await using lab = await openLab()
  await publish(lab.bus, [...incident.slice(0, 3), claim(50, 99)])
  await drain(lab)
  await publish(lab.bus, [claim(50, 99)])
  await drain(lab)
  expect(rulesOf(await alertsOn(lab.bus)).filter(rule => rule?.startsWith('lane'))).toEqual([])
  await publish(lab.bus, [call(7, 'read_file', { path: 'a.txt' })])
  await drain(lab)
  const alert = (await alertsOn(lab.bus)).find(each => each.finding_info.analytic.name === 'lane-hole')
  expect(alert?.message).toContain('numbers 3–6 of lab-1/0')
})

test('a lane that several tenants share has no hole where their events take turns', async () => {
  await using lab = await openLab()
  for (let seq = 0; seq < 6; seq++) {
    await publish(lab.bus, [event(seq, { tenant: seq % 2 === 0 ? 'acme' : 'bolt' })])
    await drain(lab)
  }
  expect(rulesOf(await alertsOn(lab.bus))).not.toContain('lane-hole')
})

const quiet = [0, 1, 2, 3].map(seq => call(seq, 'read_file', { path: 'notes.txt' }))
const attack = call(4, 'read_file', { path: '/srv/files/../../../../etc/passwd' })

async function publishAs(lane: string, lab: Lab, each: MunimentEvent): Promise<void> {
  const headers = { mun_lane: lane, mun_seq: String(each.source.seq) }
  await lab.bus.publish(topic.events, [{ key: 'lab-1/0', value: Buffer.from(JSON.stringify(each)), headers }])
}

test.each([
  ['by a replay of its dead letter', 'lab-1/0~ab12'],
  ['because its batch came whole after all', 'lab-1/0'],
])('an event that is mended %s is judged like any other, once', async (_, lane) => {
  await using lab = await openLab()
  await publish(lab.bus, [...quiet, claim(4, 5), call(6, 'read_file', { path: 'a.txt' })])
  await drain(lab)
  for (let times = 0; times < 10; times++) {
    await publishAs(lane, lab, attack)
    await drain(lab)
  }
  const alerts = (await alertsOn(lab.bus)).filter(({ finding_info: info }) =>
    info.related_events?.some(({ uid }) => uid === attack.id),
  )
  expect(alerts.map(({ finding_info: { analytic }, count }) => [analytic.name, count])).toEqual([
    ['path-traversal', 1],
  ])
})

test('a claim of what was seen and judged before lets nothing be judged again', async () => {
  await using lab = await openLab()
  await publish(lab.bus, [...quiet, attack, claim(4, 4)])
  await drain(lab)
  for (let times = 0; times < 10; times++) {
    await publish(lab.bus, [claim(4, 4), attack])
    await drain(lab)
  }
  const alerts = (await alertsOn(lab.bus)).filter(
    ({ finding_info: { analytic } }) => analytic.name === 'path-traversal',
  )
  expect(alerts.map(({ count }) => count)).toEqual([1])
})

test('an alert names the rules that were in force, whatever they are', async () => {
  const shipped = loadRules()
  for (const rules of [shipped, { ...shipped, digest: 'of-other-rules' }]) {
    await using lab = await openLab()
    await publish(lab.bus, [call(0, 'read_file', { path: '../../../../etc/passwd' })])
    await drain(lab, { pack: rules })
    const alerts = await alertsOn(lab.bus)
    expect(alerts.length).toBeGreaterThan(0)
    expect(new Set(alerts.map(({ unmapped }) => unmapped.policy_digest))).toEqual(new Set([rules.digest]))
  }
})

function replayed(seq: number): MunimentEvent {
  const each = call(seq, 'read_file', { path: 'a.txt' })
  return { ...each, source: { ...each.source, instance: 'lab-1/0~r1' } }
}

test('numbers that a replay of dead letters leaves out are no hole', async () => {
  await using lab = await openLab()
  await publish(lab.bus, [replayed(3)])
  await drain(lab)
  await publish(lab.bus, [replayed(9)])
  await drain(lab)
  expect(await alertsOn(lab.bus)).toEqual([])
})

test('the same finding is told at the 1st, 10th and 100th time, and explains itself', async () => {
  await using lab = await openLab()
  const attempts = Array.from({ length: 120 }, (_, seq) =>
    call(seq, 'read_file', { path: '../../../../etc/passwd' }),
  )
  await publish(lab.bus, attempts)
  await drain(lab)
  const alerts = await alertsOn(lab.bus)
  expect(alerts.map(alert => alert.count)).toEqual([1, 10, 100])
  expect(new Set(alerts.map(alert => alert.finding_info.uid)).size).toBe(1)
  expect(new Set(alerts.map(alert => alert.metadata.uid)).size).toBe(3)
  expect(alerts[1]?.message).toBe(
    'Path traversal in an argument: alice, tool read_file on files at request.body.params.arguments.path (10 times since 2026-01-05T09:00:00.000Z)',
  )
  expect(alerts[0]?.evidences[0]?.data).toMatchObject({
    rule: 'path-traversal',
    path: 'request.body.params.arguments.path',
    span: [0, 22],
  })
})

test('an alert names technique and list entry of its rule, in a record that says the same in its headers', async () => {
  await using lab = await openLab()
  await publish(lab.bus, [attack])
  await drain(lab)
  const [record] = await contents(lab.bus, topic.alerts)
  const alert = alertSchema.parse(JSON.parse(record?.value ?? ''))
  expect(alert.finding_info).toMatchObject({
    types: ['OWASP MCP05'],
    attacks: [{ technique: { uid: 'T1083' } }],
  })
  expect(record?.headers).toMatchObject({
    ce_id: alert.metadata.uid,
    ce_source: `/${alert.unmapped.source.lane}`,
    ce_subject: 'path-traversal',
    mun_seq: String(alert.unmapped.source.seq),
  })
})

test('every shipped rule that alerts by itself stands in a list of OWASP', () => {
  const { rules, links } = loadRules()
  const isFed = (name: string): boolean =>
    links.some(({ members }) => members.some(each => each.name === name))
  const unlisted = rules.filter(
    ({ name, tags }) => !isFed(name) && !tags.some(tag => /^owasp\.(?:mcp|asi)\d\d$/u.test(tag)),
  )
  expect(unlisted.map(({ name }) => name)).toEqual([])
})
