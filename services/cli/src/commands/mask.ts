import { AppError } from '@muniment/schema'
import type { PiiRules } from '@muniment/pii/section'
import type { Call, CliCommand } from '../command.ts'
import { flag, textOption } from '../options.ts'
import { openPiiMasker, piiRulesIn, piiRulesOf } from '../pii-rules.ts'
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

/** The policy that an invocation names. */
export async function rulesFor({ options, config }: Call): Promise<PiiRules> {
  const path = textOption(options, 'policy')
  return path === undefined ? piiRulesOf(await config()) : piiRulesIn(path)
}

/** Masks personal data in what it reads. */
export const maskCommand: CliCommand = {
  name: 'mask',
  summary: 'Mask personal data in JSON or text: standard input to standard output',
  help: 'The policy is the section pii of muniment.yaml, or of the file that --policy names; without one everything found is removed. JSON stays JSON, and what is not personal stays byte for byte. With --json the findings are printed instead of the text: kinds, places and counts, never values.',
  examples: [
    ['muniment mask < export.json > clean.json', 'mask a file'],
    ['muniment mask --fail-on-find < fixture.json > /dev/null', 'in CI: exit 1 where there is personal data'],
    ['muniment mask --report < export.json > clean.json', 'and tell what was masked'],
    ['muniment mask --policy ci.yaml < fixture.json', 'by the rules of another file'],
  ],
  configure: command => {
    command
      .option('--report', 'tell on standard error what was masked')
      .option('--fail-on-find', 'exit 1 where anything was found that the policy does not keep')
      .option('--policy <file>', 'a file with a section pii, in place of muniment.yaml')
  },
  run: async call => {
    const { io, options, printer } = call
    const masker = await openPiiMasker(await rulesFor(call), call.config)
    if (io.stdin.isTTY === true) printer.say('Reading from the terminal; end with Ctrl-D.')
    const { text, findings, version } = masker.mask(await readAll(io))
    if (printer.isJson) printer.answer({ findings, version }, () => '')
    else io.stdout.write(text)
    if (flag(options, 'report'))
      for (const { type, path, count, action } of findings)
        printer.say(`${type} ×${count}${path === '' ? '' : ` at ${path}`}: ${action}`)
    const isFound = findings.some(({ action }) => action !== 'keep')
    return flag(options, 'failOnFind') && isFound ? 1 : 0
  },
}
