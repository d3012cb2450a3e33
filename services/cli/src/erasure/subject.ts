import { text } from 'node:stream/consumers'
import type { Subject } from '@muniment/keys'
import { normalise, piiTypes } from '@muniment/pii'
import { AppError } from '@muniment/schema'
import type { Call } from '../command.ts'
import { textOption } from '../options.ts'

function parseSubject(line: string): Subject {
  const at = line.indexOf(':')
  const kind = line.slice(0, at)
  const value = line.slice(at + 1).trim()
  const type = piiTypes.find(each => each === kind)
  if (at < 1 || type === undefined || value === '')
    throw new AppError('INVALID_INPUT', 'A person is named by KIND:VALUE, as in EMAIL:ada@example.com.', {
      hint: `Kinds: ${piiTypes.join(', ')}. Write - to read it from standard input, so that no shell remembers it.`,
    })
  return { kind, value: normalise(type, value) }
}

/** The person that `--subject` names; `undefined` where it was not given. */
export async function subjectOption({ options, io }: Call): Promise<Subject | undefined> {
  const given = textOption(options, 'subject')
  if (given === undefined) return undefined
  return parseSubject(given === '-' ? (await text(io.stdin)).trim() : given)
}
