import type { Arrival } from '../observe.ts'
import type { Body } from '../record.ts'
import { textOf } from '../wire-text.ts'
import type { Handling } from './judge.ts'

/** The body of a message of our own, as it is written to the wire. */
function writtenBody(text: string): Body {
  const raw = Buffer.from(text)
  return { raw, sizeBytes: raw.length }
}

/** What goes on in place of a message, for the record; `undefined` where the message itself does. */
export function changeOf(handling: Handling | undefined): Arrival['change'] {
  if (handling?.message === undefined) return undefined
  return { body: writtenBody(textOf(handling.message)), findings: handling.findings }
}
