import { readFile } from 'node:fs/promises'
import type { Explained, Masker } from '@muniment/pii'
import { AppError } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { argument } from '../options.ts'
import { openPiiMasker } from '../pii-rules.ts'
import { safe, type Style } from '../print.ts'
import { rulesFor } from './mask.ts'

/** One line of a file of examples: a text, and what must come of it where that is given. */
interface Example {
  readonly line: number
  readonly text: string
  readonly masked?: string
}

function isExpectation(value: unknown): value is { readonly text: string; readonly masked: string } {
  if (typeof value !== 'object' || value === null || !('text' in value) || !('masked' in value)) return false
  return Object.keys(value).length === 2 && typeof value.text === 'string' && typeof value.masked === 'string'
}

function exampleOf(written: string, line: number): Example {
  try {
    const value: unknown = JSON.parse(written)
    return isExpectation(value) ? { line, ...value } : { line, text: written }
  } catch {
    return { line, text: written }
  }
}

function examplesIn(content: string): readonly Example[] {
  return content
    .split(/\r?\n/u)
    .map((written, index) => exampleOf(written, index + 1))
    .filter(({ text }) => text.trim() !== '')
}

/** The text with each hit in braces and what becomes of it. */
function inPlace(text: string, hits: readonly Explained[], style: Style): string {
  let shown = ''
  let from = 0
  for (const { type, start, end, action, instead } of hits) {
    const fate = instead === undefined ? `${type} kept` : instead
    const mark = `{${safe(text.slice(start, end))} → ${safe(fate)}}`
    shown += safe(text.slice(from, start)) + style(action === 'keep' ? 'yellow' : 'cyan', mark)
    from = end
  }
  return shown + safe(text.slice(from))
}

/** Shows one example and answers whether it came out as it should. */
function show({ printer }: Call, masker: Masker, { line, text, masked }: Example): boolean {
  const hits = masker.explain(text)
  const became = masker.mask(text).text
  const isFine = masked === undefined || masked === became
  const facts = { line, hits, ...(masked !== undefined && { isFine }) }
  printer.answer(facts, () => {
    const mark = isFine ? '' : `\n      ✘ should become ${safe(masked)}`
    return `${String(line).padStart(4)}  ${inPlace(text, hits, printer.style)}${mark}`
  })
  return isFine
}

/** Runs a policy over a file of examples. */
export const piiCommand: CliCommand = {
  name: 'pii',
  summary: 'Try a masking policy on a file of examples',
  help: 'Every line of the file is one example, JSON or text; each hit is shown in its place with what becomes of it. A line {"text":…,"masked":…} says what must come out: where it does not, the exit code is 1. The values are shown: use made-up examples.',
  examples: [
    ['muniment pii test examples.txt', 'by the policy of muniment.yaml'],
    ['muniment pii test examples.txt --policy draft.yaml', 'by a policy that is being written'],
    ['muniment pii test examples.txt --json', 'places, scores and actions for programs'],
  ],
  configure: command => {
    command
      .argument('<action>', 'test')
      .argument('<file>', 'examples, one a line')
      .option('--policy <file>', 'a file with a section pii, in place of muniment.yaml')
  },
  run: async call => {
    const action = argument(call.args, 0, 'action')
    if (action !== 'test') throw new AppError('INVALID_INPUT', `"${action}" is not something pii does: test.`)
    const masker = await openPiiMasker(await rulesFor(call), call.config)
    const examples = examplesIn(await readFile(argument(call.args, 1, 'file'), 'utf8'))
    const failed = examples.filter(example => !show(call, masker, example)).length
    call.printer.say(`${examples.length} examples, ${failed} not as they should be.`)
    return failed === 0 ? 0 : 1
  },
}
