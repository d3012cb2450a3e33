import { copyFile } from 'node:fs/promises'
import type { VerifyReport } from '@muniment/archive'
import { AppError } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { openKeysOf } from '../context.ts'
import { flag, repeated, textOption, textOptions } from '../options.ts'
import { bytesText } from '../show-event.ts'
import { safe, type Printer } from '../print.ts'
import { verifyArchiveOf } from '../verify-archive.ts'
import { openMemoryFile } from '../verify-memory.ts'
import { readGiven, verifyProofFile } from '../verify-proof.ts'

type Finding = VerifyReport['problems'][number]

const maxShown = 50

function findingLine({ code, object, range, entries, reason }: Finding): string {
  const places = [
    range &&
      `${range.topic} partition ${range.partition}, offsets ${range.first_offset} to ${range.next_offset - 1}`,
    entries && `entries ${entries.first} ${entries.next === undefined ? 'on' : `to ${entries.next - 1}`}`,
  ].filter(place => place !== undefined)
  const where = places.length === 0 ? '' : ` (${places.join('; ')})`
  return safe(`${code.padEnd(20)} ${object}${where}: ${reason}`)
}

function instant(ms: number | undefined): string {
  return ms === undefined ? '–' : new Date(ms).toISOString().slice(0, 19)
}

function printCoverage(report: VerifyReport, { say }: Printer): void {
  for (const { topic, partition, first_offset: first, next_offset: next, tenants } of report.covered)
    for (const { tenant, records, min_ms: min, max_ms: max } of tenants)
      say(
        `  ${safe(`${topic}/${partition}`).padEnd(16)} ${safe(tenant).padEnd(12)} offsets ${first}–${next - 1}, ${records} records, ${instant(min)} to ${instant(max)}`,
      )
}

function printAnchor({ anchored }: VerifyReport, { say }: Printer): void {
  if (!anchored) return say('Not anchored: there is no signed checkpoint yet.')
  const signature = anchored.isSignatureChecked
    ? 'signature checked'
    : 'signature NOT checked: give --log-key'
  say(
    `Anchored in ${safe(anchored.origin)}: ${anchored.treeSize} entries, root ${anchored.root.slice(0, 16)}…, ${signature}`,
  )
  const { witnessed } = anchored
  if (!witnessed) return
  say(`Witnessed as the policy asks: ${witnessed.treeSize} of ${anchored.treeSize} entries`)
  for (const { name, treeSize, time } of witnessed.by)
    say(safe(`  ${name}: ${treeSize} entries, at ${instant(time * 1000)}`))
}

function printLocks({ locks }: VerifyReport, { say }: Printer): void {
  if (locks === undefined || locks.length === 0) return
  const modes = Map.groupBy(locks, ({ mode }) => mode)
  const counts = [...modes].map(
    ([mode, list]) => `${list.length} ${mode === 'none' ? 'not locked' : mode.toLowerCase()}`,
  )
  const first = locks.reduce((min, { until_ms: until }) => Math.min(min, until ?? min), Infinity)
  const ends = Number.isFinite(first) ? `; the first lock ends ${instant(first)}` : ''
  say(`Locks of ${locks.length} versions: ${counts.join(', ')}${ends}. --json names each.`)
}

/** The report for a person: verdict first, then what was found, then what was covered. */
export function printReport(report: VerifyReport, printer: Printer): void {
  const { say, style } = printer
  const { manifests, objects, bytes, records, hasContents, remembered } = report.checked
  say(
    report.ok
      ? style('green', '✔ Nothing altered, nothing missing.')
      : style('red', `✘ ${report.problems.length} problems.`),
  )
  for (const problem of report.problems.slice(0, maxShown)) say(`  ${style('red', findingLine(problem))}`)
  if (report.problems.length > maxShown)
    say(`  … and ${report.problems.length - maxShown} more; --json has all of them`)
  for (const note of report.notes.slice(0, maxShown)) say(`  ${style('dim', `note: ${findingLine(note)}`)}`)
  say(
    `Checked ${manifests} manifests, ${objects} objects, ${bytesText(bytes)}, ${records} records${hasContents ? '' : ' (hashes only: no keys)'}.`,
  )
  if (remembered > 0)
    say(
      `The objects of ${remembered} manifests were not read again: an earlier run had, and they are still listed.`,
    )
  printLocks(report, printer)
  printCoverage(report, printer)
  printAnchor(report, printer)
}

/** Checkpoints that the auditor kept: copies of `log/checkpoint` from earlier. */
async function keptCheckpoints({ options }: Call): Promise<readonly string[]> {
  const read = textOptions(options, 'kept').map(async file => (await readGiven(file)).toString())
  return await Promise.all(read)
}

async function verify(call: Call): Promise<VerifyReport> {
  const { config, io, options, printer } = call
  const settings = await config()
  await using context = await openKeysOf(settings)
  const resume = textOption(options, 'resume')
  const file = resume === undefined ? undefined : await openMemoryFile(settings, resume)
  // What was read before an interruption is kept as well.
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => await file?.save())
  return await verifyArchiveOf(settings, {
    ...(file?.memory && { memory: file.memory }),
    ...(file && { onMemory: file.keep }),
    withLocks: flag(options, 'locks'),
    keys: options['keys'] === false ? undefined : context.keys,
    logKey: textOption(options, 'logKey'),
    policyFile: textOption(options, 'policy'),
    remembered: await keptCheckpoints(call),
    signal: io.signal,
    onProgress: ({ manifests, records, bytes }) =>
      printer.progress(`Verifying … ${manifests} manifests, ${records} records, ${bytesText(bytes)}`),
  })
}

/** The same place from the sources and from a tarball; `npm run page` makes it. */
const pageFile = new URL('../../page/verify.html', import.meta.url)

/** Hands out the page that verifies in a browser. */
async function givePage({ printer }: Call, path: string): Promise<number> {
  try {
    await copyFile(pageFile, path)
  } catch (cause) {
    throw new AppError('INVALID_INPUT', `The page cannot be copied to ${path}.`, {
      hint: 'Check that the folder is there; from a checkout, run `npm run page` first.',
      cause,
    })
  }
  printer.answer({ page: path }, () => path)
  printer.say('Open it in a browser: it needs no server and no network.')
  return 0
}

/** Verifies the archive. */
export const verifyCommand: CliCommand = {
  name: 'verify',
  summary: 'Prove that nothing in the archive was altered and nothing is missing',
  help: 'Reads the whole archive once. Exit code 1 names each object and range that does not fit. Needs the store alone; with the tenant keys, contents are compared with their hashes too.',
  examples: [
    ['muniment verify', 'the archive of this configuration'],
    ['MUNIMENT_STORE=file:/mnt/copy muniment verify --no-keys', 'a copied folder, without any key'],
    ['muniment verify --json', 'the whole report for programs'],
    [
      'muniment verify --policy witnesses.policy --kept checkpoint-2026-11',
      'against its witnesses, and a checkpoint kept from earlier',
    ],
    [
      'muniment verify --resume verified --locks',
      'every day: what is new, and that all is still there and locked',
    ],
    [
      'muniment verify --proof event.proof --log-key example.com/log+0a1b2c3d+AQ…',
      'a single proof, without any archive',
    ],
    ['muniment verify --page verify.html', 'a page that verifies in a browser, for whoever installs nothing'],
  ],
  configure: command => {
    command
      .option('--no-keys', 'do not decrypt: check hashes, chains and the log only')
      .option(
        '--log-key <vkey>',
        'public key of the log, from a source you trust (muniment keys log prints it)',
      )
      .option('--policy <file>', 'keys of the log and its witnesses, and how many of them must have cosigned')
      .option(
        '--kept <file>',
        'a checkpoint kept from earlier, which the log must extend; may be given again',
        repeated,
      )
      .option('--locks', 'ask the store for the lock of every object, one request each')
      .option(
        '--resume <file>',
        'go on from what an earlier run kept in the file, and keep what this one reads: objects are not read twice, so what was replaced in place since is not seen',
      )
      .option('--proof <file>', 'check a file of muniment prove instead of an archive')
      .option('--record <file>', 'with --proof: the event that it is about, where it is not in the file')
      .option('--show', 'with --proof: print the event')
      .option('--page <file>', 'write the page that checks archives and proofs in a browser')
  },
  run: async call => {
    const page = textOption(call.options, 'page')
    if (page !== undefined) return givePage(call, page)
    const proof = textOption(call.options, 'proof')
    if (proof !== undefined) return verifyProofFile(call, proof)
    const report = await verify(call)
    if (call.printer.isJson) call.printer.answer(report, () => '')
    else printReport(report, call.printer)
    return report.ok ? 0 : 1
  },
}
