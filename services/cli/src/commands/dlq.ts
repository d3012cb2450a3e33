import { AppError, deadLetterTopic, topic } from '@muniment/schema'
import { openDeadLetter, replayOf, type Bus, type BusRecord, type DeadLetter } from '@muniment/bus'
import type { Call, CliCommand } from '../command.ts'
import { openBusOf } from '../context.ts'
import { argument } from '../options.ts'
import { safe } from '../print.ts'

const sources = Object.values(topic)

interface Letter {
  readonly id: string
  readonly record: BusRecord
  readonly opened: DeadLetter
}

async function* deadLetters({ io, printer }: Call, bus: Bus): AsyncGenerator<Letter> {
  for (const source of sources)
    for await (const record of bus.read({
      topic: deadLetterTopic(source),
      untilEnd: true,
      signal: io.signal,
    })) {
      const id = `${source}:${record.partition}:${record.offset}`
      const opened = openDeadLetter(record)
      if (opened) yield { id, record, opened }
      else printer.say(`Passed over ${id}: it does not say where it came from.`)
    }
}

function facts({ id, record, opened }: Letter): object {
  const { code, stage, message, topic: from, partition, offset, cutFromBytes } = opened
  const { headers, key, timestampMs, value } = record
  return {
    id,
    time: new Date(timestampMs).toISOString(),
    code,
    stage,
    message,
    from: `${from}/${partition}/${offset}`,
    lane: key,
    first_seq: headers['mun_first'],
    last_seq: headers['mun_last'],
    size_bytes: cutFromBytes ?? value.length,
    is_cut: cutFromBytes !== undefined,
  }
}

async function list(call: Call, bus: Bus): Promise<number> {
  const { printer } = call
  let count = 0
  for await (const letter of deadLetters(call, bus)) {
    count += 1
    const reason = safe(`${letter.opened.code}  ${letter.opened.message}`)
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
  const sent = new Set<string>()
  for await (const letter of deadLetters(call, bus)) {
    if (wanted !== undefined && letter.id !== wanted) continue
    if (letter.opened.cutFromBytes !== undefined) {
      call.printer.say(`${letter.id} was too large to be kept whole and cannot be replayed.`)
      continue
    }
    const record = replayOf(letter.opened)
    // One batch may have been given up many times, by an earlier replay too: once more is enough.
    const name = JSON.stringify([letter.opened.topic, record.key, record.headers])
    if (sent.has(name)) continue
    sent.add(name)
    await bus.publish(letter.opened.topic, [record])
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
