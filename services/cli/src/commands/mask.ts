import { createMasker } from '@muniment/pii'
import { AppError } from '@muniment/schema'
import type { CliCommand } from '../command.ts'
import { flag } from '../options.ts'
import type { Io } from '../print.ts'

const maxInputBytes = 256 * 1024 * 1024

async function readAll({ stdin }: Io): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    const piece = Buffer.from(chunk)
    bytes += piece.length
    if (bytes > maxInputBytes)
      throw new AppError('LIMIT_EXCEEDED', `The input is larger than ${maxInputBytes / 1024 / 1024} MiB.`, {
        hint: 'Split it, by lines for instance, and mask each part.',
      })
    chunks.push(piece)
  }
  return Buffer.concat(chunks).toString()
}

/** Masks personal data in what it reads. */
export const maskCommand: CliCommand = {
  name: 'mask',
  summary: 'Mask personal data in JSON or text: standard input to standard output',
  help: 'JSON stays JSON, and what is not personal stays byte for byte. With --json the findings are printed instead of the text: kinds, places and counts, never values.',
  examples: [
    ['muniment mask < export.json > clean.json', 'mask a file'],
    ['muniment mask --fail-on-find < fixture.json > /dev/null', 'in CI: exit 1 where there is personal data'],
    ['muniment mask --report < export.json > clean.json', 'and tell what was masked'],
  ],
  configure: command => {
    command
      .option('--report', 'tell on standard error what was masked')
      .option('--fail-on-find', 'exit 1 where anything was found')
  },
  run: async ({ io, options, printer }) => {
    if (io.stdin.isTTY === true) printer.say('Reading from the terminal; end with Ctrl-D.')
    const { text, findings, version } = createMasker().mask(await readAll(io))
    if (printer.isJson) printer.answer({ findings, version }, () => '')
    else io.stdout.write(text)
    if (flag(options, 'report'))
      for (const { type, path, count, action } of findings)
        printer.say(`${type} ×${count}${path === '' ? '' : ` at ${path}`}: ${action}`)
    return flag(options, 'failOnFind') && findings.length > 0 ? 1 : 0
  },
}
