import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { verifyProof, type ProofReport } from '@muniment/archive'
import { AppError } from '@muniment/schema'
import type { Call } from './command.ts'
import { openKeysOf } from './context.ts'
import { flag, textOption } from './options.ts'
import { safe, type Printer } from './print.ts'
import { logKeysOf } from './verify-archive.ts'

/** The content of a file that an option names. Throws `INVALID_INPUT` where it cannot be read. */
export async function readGiven(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new AppError('INVALID_INPUT', `The file ${path} cannot be read.`, { cause })
  }
}

/** Keys that were given, else those of the secret at hand: a proof needs no configuration. */
async function trustedKeys({ config, options }: Call): Promise<readonly string[]> {
  const given = textOption(options, 'logKey')
  if (given !== undefined || textOption(options, 'policy') !== undefined) return [given ?? []].flat()
  const settings = await config()
  // Asking would make up a key where there is none: an auditor's folder is empty.
  if (settings.secrets.kind === 'file' && !existsSync(settings.secrets.dir)) return []
  await using context = await openKeysOf(settings)
  return await logKeysOf(context.keys)
}

type Proven = Extract<ProofReport, { ok: true }>

function instant(ms: number): string {
  return new Date(ms).toISOString()
}

function cutLines({ cuts }: Proven): readonly string[] {
  return cuts.map(
    ({ topic, partition, first_offset, next_offset, sealed_ms, entry }) =>
      `  ${topic}/${partition} offsets ${first_offset}–${next_offset - 1}, sealed ${instant(sealed_ms)}: entry ${entry} of the log`,
  )
}

function printProven(proven: Proven, { say, style }: Printer): void {
  const { log, cosignatures, record, lane } = proven
  say(style('green', '✔ The proof holds.'))
  if (record !== undefined) {
    const { tenant, row, rows, leaf, raw } = record
    say(safe(`A record of tenant ${tenant} is row ${row + 1} of ${rows} in its segment.`))
    say(`  leaf ${leaf}`)
    if (raw === undefined) say('  The record itself was not given: only its hash is proven.')
  }
  if (lane !== undefined)
    say(safe(`The archive has every number from ${lane.from} to ${lane.to} of lane ${lane.lane}.`))
  for (const line of cutLines(proven)) say(safe(line))
  say(safe(`Signed by the log ${log.origin}, ${log.treeSize} entries, root ${log.root.slice(0, 16)}…`))
  for (const { name, time } of cosignatures) say(safe(`Cosigned by ${name} at ${instant(time * 1000)}`))
}

/** The report for programs; a record is text, where it is known. */
function jsonOf(report: ProofReport): object {
  if (!report.ok || report.record === undefined) return report
  return { ...report, record: { ...report.record, raw: report.record.raw?.toString() } }
}

function print(report: ProofReport, { printer, options }: Call): void {
  if (printer.isJson) return printer.answer(jsonOf(report), () => '')
  if (!report.ok)
    return printer.say(printer.style('red', `✘ The proof does not hold: ${safe(report.reason)}.`))
  printProven(report, printer)
  const raw = report.record?.raw
  if (raw !== undefined && flag(options, 'show')) printer.out(safe(raw.toString()))
}

/** Checks one proof file, and says what it proves. */
export async function verifyProofFile(call: Call, path: string): Promise<number> {
  const { options } = call
  const [policy, record] = [textOption(options, 'policy'), textOption(options, 'record')]
  const report = verifyProof(await readGiven(path), {
    verifierKey: await trustedKeys(call),
    ...(policy !== undefined && { policy: (await readGiven(policy)).toString() }),
    ...(record !== undefined && { record: await readGiven(record) }),
  })
  print(report, call)
  return report.ok ? 0 : 1
}
