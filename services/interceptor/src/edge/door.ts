import { askDoor, refusalAnswer, type DoorAnswer } from '../guard/door.ts'
import type { DoorRequest } from '../guard/guard.ts'
import { andThen, type Soon } from '../soon.ts'
import { recordedFirst, type Held } from './hold.ts'
import type { Edge } from './options.ts'
import type { Visitor } from './visitor.ts'

/** Whether a request may come in. */
export interface Entry {
  /** Fields for the answer, whoever gives it. */
  readonly headers: Readonly<Record<string, string>>
  /** What it is answered instead. */
  readonly refused?: DoorAnswer
}

const open: Entry = { headers: {} }
const json = { 'Content-Type': 'application/json' }

/** Asks whoever stands at the door of an edge. */
export function knock(
  { guard, settings }: Edge,
  visitor: Visitor,
  request: Omit<DoorRequest, 'tenant' | 'place'>,
): Soon<Entry> {
  if (guard === undefined) return open
  const { tenant, onProblem } = settings
  return andThen(askDoor(guard, { tenant, place: '', ...request }, onProblem), (verdict): Entry => {
    const { principal, notes, refusal, headers = {} } = verdict
    visitor.principal = principal ?? visitor.principal
    visitor.notes = notes
    visitor.exchange.guarded({ notes })
    if (refusal === undefined) return { headers }
    return { headers, refused: withFields(refusalAnswer(refusal), headers) }
  })
}

function withFields(answer: DoorAnswer, headers: Entry['headers']): DoorAnswer {
  return { ...answer, headers: { ...json, ...answer.headers, ...headers } }
}

/** The same where requests wait, besides, until they are recorded. */
export async function knockAndRecord(edge: Edge, visitor: Visitor, held: Held): Promise<Entry> {
  const { head, address, certificate } = held
  const entry = await knock(edge, visitor, { ...head, address, certificate })
  if (entry.refused !== undefined) return entry
  const refused = await recordedFirst(edge, visitor, held)
  return refused === undefined ? entry : { ...entry, refused: withFields(refused, entry.headers) }
}
