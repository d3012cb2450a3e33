// Requests that must be recorded before the server's code sees them: the edge reads their body first, and gives it on untouched.
import { isRecorded } from '../delivery/record-first.ts'
import { isUnreadable, judgeBody } from '../guard/body.ts'
import { refusalAnswer, type DoorAnswer } from '../guard/door.ts'
import type { DoorRefusal, Guard } from '../guard/guard.ts'
import { createJudge } from '../guard/judge.ts'
import type { HttpHead } from '../http/state.ts'
import type { Edge } from './options.ts'
import type { Visitor } from './visitor.ts'

/** Most bytes of a body that is held: those of a message that is recorded whole. */
const maxHeldBytes = 24 * 1024 * 1024

/** A request whose body is not with the server's code yet. */
export interface Held {
  readonly head: Pick<HttpHead, 'method' | 'target' | 'header'>
  readonly address: string | undefined
  readonly certificate?: Uint8Array | undefined
  /** The whole body; `undefined` where it cannot be had any more, or is longer than `maxBytes`. */
  readonly read: (maxBytes: number) => Promise<Uint8Array | undefined>
  readonly hasBody: boolean
}

/** Whether this edge holds requests back until they are recorded. */
export function holds({ guard }: Edge): boolean {
  return guard?.request !== undefined
}

const bodiless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

function refusal(status: number, hint: string): DoorAnswer {
  const refused: DoorRefusal = { code: 'INVALID_INPUT', status, hint }
  return refusalAnswer(refused)
}

/** What can be told of a request without its body: only POST carries messages, in one way. */
function refusedHead({ head, hasBody }: Held): DoorAnswer | undefined {
  const { method, header } = head
  if (method === 'POST')
    return isUnreadable(header) ? refusal(415, 'Send JSON in UTF-8, not compressed.') : undefined
  if (!bodiless.has(method)) return refusal(405, 'Only POST carries messages.')
  return hasBody ? refusal(400, 'A body is not allowed here.') : undefined
}

interface Holding {
  readonly edge: Edge
  readonly guard: Guard
  readonly visitor: Visitor
  readonly held: Held
}

async function judge(
  { edge, guard, visitor, held }: Holding,
  body: Uint8Array,
): Promise<DoorAnswer | undefined> {
  const { recorder, settings, recordFirst } = edge
  const { tenant, serverName, onProblem } = settings
  const { exchange, principal, notes = [] } = visitor
  const { header } = held.head
  const channelId = recorder.channelId(held.head)
  const info = { id: channelId, transport: 'http', tenant, serverName } as const
  const judged = await judgeBody({
    body,
    judge: createJudge({ guard, info, labels: () => recorder.labels(held.head), onProblem }),
    about: {
      principal,
      address: held.address,
      sessionId: header('mcp-session-id'),
      header,
      arrivedMs: performance.now(),
    },
    channelId,
    notes,
    told: exchange.guarded,
  })
  visitor.recorded = { by: recordFirst, channelId, messages: new Set(judged.messages.filter(isRecorded)) }
  return 'refused' in judged ? judged.refused : undefined
}

/** Waits until the messages of a request are recorded, where they must be; what is returned is the answer in place of the server's. */
export async function recordedFirst(
  edge: Edge,
  visitor: Visitor,
  held: Held,
): Promise<DoorAnswer | undefined> {
  const { guard } = edge
  if (guard?.request === undefined) return undefined
  const refused = refusedHead(held)
  if (refused !== undefined || held.head.method !== 'POST') return refused
  const isLong = Number(held.head.header('content-length') ?? 0) > maxHeldBytes
  const body = isLong ? undefined : await held.read(maxHeldBytes)
  if (body === undefined)
    return refusal(413, 'Its body is too long to be recorded first, or was read before it could be.')
  visitor.exchange.requestBytes(body)
  return await judge({ edge, guard, visitor, held }, body)
}
