import { createHash } from 'node:crypto'
import { AppError, deadLetterTopic, topic } from '@muniment/schema'
import type { Bus, BusRecord } from '@muniment/bus'
import type { Call, CliCommand } from '../command.ts'
import { openBusOf } from '../context.ts'
import { argument } from '../options.ts'
import { safe } from '../print.ts'

const sources = Object.values(topic)

interface DeadLetter {
  readonly id: string
  readonly source: string
  readonly record: BusRecord
}

async function* deadLetters(bus: Bus, signal: AbortSignal): AsyncGenerator<DeadLetter> {
  for (const source of sources)
    for await (const record of bus.read({ topic: deadLetterTopic(source), untilEnd: true, signal }))
      yield { id: `${source}:${record.partition}:${record.offset}`, source, record }
}

function facts({ id, record }: DeadLetter): object {
  const { headers, key, timestampMs, value } = record
  return {
    id,
    time: new Date(timestampMs).toISOString(),
    code: headers['mun_error_code'],
    stage: headers['mun_error_stage'],
    message: headers['mun_error_message'],
    from: `${headers['mun_error_topic']}/${headers['mun_error_partition']}/${headers['mun_error_offset']}`,
    lane: key,
    first_seq: headers['mun_first'],
    last_seq: headers['mun_last'],
    size_bytes: value.length,
  }
}

/** Headers for a second try: the lane gets a suffix of its own, so that the watermarks of those who read let it pass, once. */
function replayHeaders({ id, source, record }: DeadLetter): Record<string, string> {
  const replayId = createHash('sha256').update(id).digest('hex').slice(0, 16)
  const original = Object.fromEntries(
    Object.entries(record.headers).filter(([name]) => !name.startsWith('mun_error_')),
  )
  if (source === topic.raw) return { ...original, mun_replay: replayId }
  const lane = original['mun_lane']
  return lane === undefined ? original : { ...original, mun_lane: `${lane}~${replayId}` }
}

async function list(call: Call, bus: Bus): Promise<number> {
  const { printer, io } = call
  let count = 0
  for await (const letter of deadLetters(bus, io.signal)) {
    count += 1
    const { headers } = letter.record
    const reason = safe(`${headers['mun_error_code'] ?? ''}  ${headers['mun_error_message'] ?? ''}`)
    printer.answer(facts(letter), () => `${printer.style('bold', letter.id)}  ${reason}`)
  }
  if (count === 0) printer.say('No dead letters.')
  return 0
}

async function replay(call: Call, bus: Bus): Promise<number> {
  const wanted = call.args[1]
  if (wanted === undefined && call.options['all'] !== true)
    throw new AppError('INVALID_INPUT', 'Say which dead letter to replay: its id, or --all.')
  let count = 0
  for await (const letter of deadLetters(bus, call.io.signal)) {
    if (wanted !== undefined && letter.id !== wanted) continue
    const { key, value } = letter.record
    await bus.publish(letter.source, [{ key, value, headers: replayHeaders(letter) }])
    count += 1
    call.printer.answer({ replayed: letter.id }, () => `Replayed ${letter.id}`)
  }
  if (wanted !== undefined && count === 0)
    throw new AppError('NOT_FOUND', `There is no dead letter ${wanted}.`)
  call.printer.say(
    `${count} replayed. They stay in the dead-letter topic until it expires; replaying one twice changes nothing.`,
  )
  return 0
}

/** Lists dead letters and sends them through again. */
export const dlqCommand: CliCommand = {
  name: 'dlq',
  summary: 'List records that a worker gave up on, and replay them',
  help: 'Dead letters keep their original bytes, sealed or encrypted as they came. Replay after the cause is mended: a key restored, a service upgraded.',
  examples: [
    ['muniment dlq list', 'what was given up, and why'],
    ['muniment dlq replay mcp.calls.raw:0:7', 'send one through again'],
    ['muniment dlq replay --all', 'send all of them through again'],
  ],
  configure: command => {
    command
      .argument('<action>', 'list or replay')
      .argument('[id]', 'the dead letter')
      .option('--all', 'every dead letter')
  },
  run: async call => {
    const action = argument(call.args, 0, 'action')
    if (action !== 'list' && action !== 'replay')
      throw new AppError('INVALID_INPUT', `"${action}" is not something dlq does: list or replay.`)
    await using bus = await openBusOf(await call.config())
    return await (action === 'list' ? list(call, bus) : replay(call, bus))
  },
}
