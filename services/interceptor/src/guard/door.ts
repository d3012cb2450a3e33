import type { OnProblem } from '../problem.ts'
import { andThen, type Soon } from '../soon.ts'
import { askFenced } from './fence.ts'
import type { DoorRefusal, DoorRequest, DoorVerdict, Guard, Refusal } from './guard.ts'
import { refusalCodes, refusalMessage } from './refusal.ts'

/** What an HTTP request that was refused is answered with. */
export interface DoorAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const failure: DoorVerdict = {
  refusal: { code: 'SERVICE_ERROR' },
  notes: [{ name: 'guard', decision: 'refuse', reason: 'The guard itself failed.' }],
}
const nothing: DoorVerdict = { notes: [] }

/** Asks the parts that stand at the door; where there are none, everybody may come in. */
export function askDoor(guard: Guard, request: DoorRequest, onProblem: OnProblem): Soon<DoorVerdict> {
  const { door } = guard
  if (door === undefined) return nothing
  const asked = askFenced(() => door(request), { failure, onProblem })
  return andThen(asked, verdict => verdict ?? nothing)
}

function retryFields({ retryAfterMs }: Refusal): Record<string, string> {
  return retryAfterMs === undefined
    ? {}
    : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }
}

/** A refusal as an answer over HTTP; `id` is that of the request, where one was read. */
export function refusalAnswer(refusal: DoorRefusal, id: string | number | null = null): DoorAnswer {
  return {
    status: refusal.status ?? (refusal.asking === undefined ? refusalCodes[refusal.code].http : 200),
    headers: retryFields(refusal),
    body: JSON.stringify(refusalMessage(id, refusal)),
  }
}
