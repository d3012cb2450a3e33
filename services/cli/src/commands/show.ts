import type { Evidence, ShownRecord } from '@muniment/query'
import { AppError } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { openEngineOf } from '../engine.ts'
import { argument, textOption } from '../options.ts'
import { safe } from '../print.ts'
import { unrecorded } from '../reads.ts'

function evidenceLines(evidence: Evidence | undefined): readonly string[] {
  if (evidence === undefined) return ['Not archived yet: this is from the bus.']
  const { object, manifest, row, rows, leaf, root } = evidence
  return [
    `Archived as row ${row + 1} of ${rows} in ${object.key}`,
    `  object    sha256 ${object.sha256}`,
    `  leaf      sha256 ${leaf}`,
    `  root      sha256 ${root}`,
    `  manifest  ${manifest.key}`,
    `            sha256 ${manifest.sha256}`,
  ]
}

function print({ printer }: Call, shown: ShownRecord): void {
  const record: unknown = JSON.parse(shown.raw.toString())
  const { topic, tenant, evidence } = shown
  printer.answer({ topic, tenant, record, evidence: evidence ?? null }, () => safeJson(record))
  if (printer.isJson) return
  printer.say('')
  for (const line of evidenceLines(evidence)) printer.say(safe(line))
}

function safeJson(record: unknown): string {
  return JSON.stringify(record, undefined, 2).split('\n').map(safe).join('\n')
}

/** Prints one event with where it stands in the archive. */
export const showCommand: CliCommand = {
  name: 'show',
  summary: 'Print one event or alert, with its line of evidence',
  examples: [
    ['muniment show 01a1fd6e-3a59-72f4-a250-f9a7a24357e4', 'an event by its id, as muniment query prints it'],
  ],
  configure: command => {
    command.argument('<id>', 'id of an event or alert').option('--tenant <name>', 'look in this tenant only')
  },
  run: async call => {
    const id = argument(call.args, 0, 'id')
    const tenant = textOption(call.options, 'tenant')
    await using open = await openEngineOf(await call.config(), {
      withTail: true,
      onUnrecorded: unrecorded(call.printer),
    })
    const options = { signal: call.io.signal, ...(tenant !== undefined && { tenants: [tenant] }) }
    const shown = await open.engine.show(id, options)
    if (!shown) throw new AppError('NOT_FOUND', `There is no event or alert ${id}.`)
    print(call, shown)
    return 0
  },
}
