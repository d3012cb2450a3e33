import { createFilled, firstMs, type Filled } from './archive-rig.ts'
import type { Figure } from './figure.ts'
import { ask, engineOver, median, withFolder } from './query.ts'

const events = 5_000_000
const eventsPerSegment = 20_000
const barMs = 3000
const tools = ['search', 'read_file', 'write_file', 'query', 'create_issue', 'send_mail', 'translate']

/** Without messages, which a group-by does not read: the archive is made in a third of the time. */
function leanEvent(seq: number): Buffer {
  const event = {
    time: new Date(firstMs + seq * 10).toISOString(),
    tenant: 'default',
    kind: 'call',
    outcome: seq % 20 === 0 ? 'tool_error' : 'ok',
    method: 'tools/call',
    // Not one after the other, so that the column is no pattern that costs nothing.
    target: tools[((seq * 7919) >>> 3) % tools.length],
    principal: { id: `user${seq % 40}` },
    source: { instance: 'bench', epoch: 1, seq },
  }
  return Buffer.from(JSON.stringify(event))
}

async function fill(): Promise<Filled> {
  const filled = await createFilled()
  for (let first = 0; first < events; first += eventsPerSegment)
    await filled.cut(Array.from({ length: eventsPerSegment }, (_, index) => leanEvent(first + index)))
  return filled
}

/** A group-by over five million events: a minute and more to archive them, then a question asked seven times. */
export async function run(): Promise<readonly Figure[]> {
  const filled = await fill()
  return withFolder(async folder => {
    await using engine = engineOver(filled, `${folder}/catalogue`, 0)
    await ask(engine, 'SELECT 1')
    const sql = 'SELECT target, outcome, count(*) FROM events GROUP BY ALL ORDER BY 3 DESC'
    const times: number[] = []
    let bytes = 0
    for (let turn = 0; turn < 7; turn++) {
      const { totalMs, figures } = await ask(engine, sql)
      times.push(totalMs)
      bytes = figures.bytes
    }
    const value = median(times)
    const name = `group by two columns, ${events.toLocaleString('en')} events`
    return [
      { name, value, unit: 'ms', reference: barMs, ratio: value / barMs },
      { name, value: bytes / 1e6, unit: 'MB read' },
    ]
  })
}
