import { Buffer } from 'node:buffer'
import { openDeadLetter, replayOf } from '@muniment/bus'
import { deadLetterTopic, topic } from '@muniment/schema'
import { expect, test } from 'vitest'
import { compilePack, type RulePack } from '../src/sigma/pack.ts'
import { alertsOn, drain, openLab, type Lab } from './fleet.ts'

const rules = ['early', 'late'].map(name => ({
  name,
  text: `title: ${name}\nid: ${name}\nlevel: high\nlogsource: { product: mcp }\ndetection: { s: { tool: ${name} }, condition: s }\n`,
}))
const linked = {
  name: 'linked',
  text: 'title: linked\nid: linked\nname: linked\nlevel: high\ncorrelation: { type: event_count, rules: [early], group-by: [server], timespan: 1h, condition: { gte: 1 } }\n',
}

function signalOn(seq: number, rule: string, aspect = ''): object {
  const time = new Date(Date.UTC(2026, 10, 20, 8, 0, seq)).toISOString()
  const of = { tenant: 'default', principal: 'kim', server: 'files', kind: 'call', outcome: 'ok' }
  const hits = [{ rule, score: 0.9, severity: 4 }]
  return { ...of, event_id: `e${seq}`, time, hits, lane: `host/0${aspect}`, seq }
}

function record(signal: object): { key: string; value: Buffer; headers: Record<string, string> } {
  const { lane, seq } = { lane: '', seq: 0, ...signal }
  return {
    key: 'default/kim',
    value: Buffer.from(JSON.stringify(signal)),
    headers: { mun_lane: lane, mun_seq: String(seq) },
  }
}

/** A pack whose rule cannot be looked up, as if its detector were broken. */
function broken(pack: RulePack, name: string): RulePack {
  const byName = new Map(pack.byName)
  byName.get = wanted => {
    if (wanted === name) throw new TypeError('broken')
    return Map.prototype.get.call(byName, wanted)
  }
  return { ...pack, byName, digest: 'broken' }
}

async function replayAll(lab: Lab): Promise<void> {
  const { signal } = new AbortController()
  const letters = lab.bus.read({ topic: deadLetterTopic(topic.signals), untilEnd: true, signal })
  for await (const letter of letters) {
    const opened = openDeadLetter(letter)
    if (opened !== undefined) await lab.bus.publish(topic.signals, [replayOf(opened)])
  }
}

test.each([
  ['of a principal', '', 'early'],
  ['of a group', '#by:linked', 'linked'],
])(
  'a signal %s that was put aside is judged after its replay, once, though later numbers came',
  async (_, aspect, title) => {
    await using lab = await openLab()
    const whole = compilePack([...rules, ...(aspect === '' ? [] : [linked])])
    await lab.bus.publish(
      topic.signals,
      [signalOn(0, 'early', aspect), signalOn(1, 'late', aspect)].map(record),
    )
    await drain(lab, { pack: broken(whole, 'early') })
    const before = (await alertsOn(lab.bus)).map(alert => alert.finding_info.title)
    expect(before).not.toContain(title)
    for (let round = 0; round < 2; round += 1) {
      await replayAll(lab)
      await drain(lab, { pack: whole })
      const after = (await alertsOn(lab.bus)).map(alert => alert.finding_info.title)
      expect(after).toEqual([...before, title])
    }
  },
)
