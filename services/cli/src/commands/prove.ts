import { writeFile } from 'node:fs/promises'
import { proveLane, proveRecord, type LaneRange } from '@muniment/archive'
import { AppError, topic } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { openStoreOf } from '../context.ts'
import { openEngineOf } from '../engine.ts'
import { flag, numberOption, textOption, wholeNumber } from '../options.ts'
import { unrecorded } from '../reads.ts'

/** The proof of one record, found by its id. */
async function proveById({ config, options, io, printer }: Call, id: string): Promise<Buffer> {
  const settings = await config()
  const tenant = textOption(options, 'tenant')
  await using open = await openEngineOf(settings, { withTail: true, onUnrecorded: unrecorded(printer) })
  const shown = await open.engine.show(id, {
    signal: io.signal,
    ...(tenant !== undefined && { tenants: [tenant] }),
  })
  if (shown === undefined) throw new AppError('NOT_FOUND', `There is no event or alert ${id}.`)
  const { evidence, raw } = shown
  if (evidence === undefined)
    throw new AppError('NOT_FOUND', `${id} is not archived yet.`, {
      hint: 'Events are archived and signed within a few seconds; try again.',
    })
  await using store = await openStoreOf(settings)
  return await proveRecord(store, evidence, { raw, isDisclosed: flag(options, 'disclose') })
}

function laneRangeOf({ options }: Call, lane: string): LaneRange {
  const from = numberOption(options, 'from') ?? 0
  const to = numberOption(options, 'to')
  if (to === undefined || to < from)
    throw new AppError('INVALID_INPUT', 'Say up to which number: --to <number>, not below --from.')
  return { topic: topic.events, lane, from, to }
}

function rangeText([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${first}–${last}`
}

/** The proof that a lane has no gap; `undefined` after saying what is missing. */
async function proveLaneOf(call: Call, lane: string): Promise<Buffer | undefined> {
  const range = laneRangeOf(call, lane)
  await using store = await openStoreOf(await call.config())
  const proof = await proveLane(store, range)
  if (proof.isComplete) return proof.file
  const { lacking } = proof
  if (call.printer.isJson) call.printer.answer({ lane, lacking }, () => '')
  call.printer.say(`The archive does not have ${lacking.map(rangeText).join(', ')} of lane ${lane}.`)
  return undefined
}

async function give({ options, printer }: Call, file: Buffer): Promise<void> {
  const out = textOption(options, 'out')
  if (out === undefined) {
    printer.answer({ proof: file.toString() }, () => file.toString().trimEnd())
    return
  }
  await writeFile(out, file, { mode: 0o600 })
  printer.say(
    `Wrote ${out}. Check it anywhere with: muniment verify --proof ${out} --log-key <key of the log>`,
  )
}

/** What to prove: one of an id and a lane. */
function makeProof(call: Call): Promise<Buffer | undefined> {
  const [id] = call.args
  const lane = textOption(call.options, 'lane')
  if (lane !== undefined && id === undefined) return proveLaneOf(call, lane)
  if (id !== undefined && lane === undefined) return proveById(call, id)
  throw new AppError('INVALID_INPUT', 'Give the id of a record, or --lane with --to.')
}

/** Writes proofs that can be checked by anybody. */
export const proveCommand: CliCommand = {
  name: 'prove',
  summary: 'Write a proof, for anybody to check offline, that an event is archived or a lane has no gap',
  help: 'The file is a C2SP tlog-proof. It holds the manifest of the cut, and so the names of the tenants and lanes in that cut, but of the event only a hash, unless --disclose is given. Whoever holds the event can show later that it is the one.',
  examples: [
    ['muniment prove 01a1fd6e-3a59-72f4-a250-f9a7a24357e4 --out event.proof', 'that this event is archived'],
    ['muniment prove 01a1fd6e-3a59-72f4-a250-f9a7a24357e4 --disclose', 'with the event itself in the file'],
    [
      'muniment prove --lane notes-3f/1 --from 0 --to 41',
      'that nothing is missing between two numbers of a lane',
    ],
    [
      'muniment verify --proof event.proof --log-key example.com/log+0a1b2c3d+AQ…',
      'check it, on any machine',
    ],
  ],
  configure: command => {
    command
      .argument('[id]', 'id of an event or alert')
      .option('--disclose', 'put the event itself into the file')
      .option('--tenant <name>', 'look in this tenant only')
      .option('--lane <name>', 'prove a lane complete instead: <instance>/<epoch>, as source in events')
      .option('--from <number>', 'first number of the lane', wholeNumber)
      .option('--to <number>', 'last number of the lane', wholeNumber)
      .option('--out <file>', 'write to this file instead of standard output')
  },
  run: async call => {
    const file = await makeProof(call)
    if (file === undefined) return 1
    await give(call, file)
    return 0
  },
}
