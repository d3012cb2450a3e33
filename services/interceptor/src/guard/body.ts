// The body of an HTTP request, judged before whoever is asked sees it: read the same way by a proxy and by the edge of a server.
import { readMessages } from '../attach/wire.ts'
import type { GuardTold } from '../http/state.ts'
import { isMembers, member, type Members } from '../json.ts'
import { isRpcId, type RpcId } from '../pending.ts'
import { keepText, textOf } from '../wire-text.ts'
import { isAmbiguous } from './ambiguous.ts'
import { refusalAnswer, type DoorAnswer } from './door.ts'
import type { DoorRequest, Refusal } from './guard.ts'
import type { PolicyNote } from '../record.ts'
import type { Handling, Judge } from './judge.ts'
import { refusalMessage } from './refusal.ts'

interface Part {
  readonly message: unknown
  readonly bytes: Uint8Array
}

/** A body, who judges it, and what came with it. */
export interface BodyJudging {
  readonly body: Uint8Array
  readonly judge: Judge
  readonly about: Parameters<Judge['inward']>[1]
  readonly channelId: string
  /** What was said of the request at the door. */
  readonly notes: readonly PolicyNote[]
  /** Asks the client, where it can be asked in the answer to this request, which waits. */
  readonly ask?: (message: Members, rpcId: RpcId) => void
  /** Told once, before the end of the request is. */
  readonly told: (told: GuardTold) => void
}

/** What is to go on, or the answer in its place. */
export type JudgedBody =
  | {
      readonly body: Uint8Array
      readonly headers: Readonly<Record<string, string>>
      readonly messages: readonly unknown[]
    }
  /** There is nothing in it but answers to questions of ours. */
  | { readonly isOurs: true; readonly messages: readonly unknown[] }
  | { readonly refused: DoorAnswer; readonly messages: readonly unknown[] }

/** Whether a body may be read otherwise by a server than by us: encoded, or in another charset. */
export function isUnreadable(header: DoorRequest['header']): boolean {
  const encoding = header('content-encoding') ?? 'identity'
  const charset = /charset\s*=\s*"?([^";\s]*)/iu.exec(header('content-type') ?? '')?.[1] ?? 'utf-8'
  return encoding.trim().toLowerCase() !== 'identity' || !/^utf-?8$/iu.test(charset)
}

/** The parts of a body as the server might take it; a text that could be taken for another is none. */
function partsOf(body: Uint8Array): readonly Part[] | undefined {
  const reading = readMessages(body)
  if ('fault' in reading) return undefined
  const parts = reading.parts.map(([message, bytes]) => ({ message, bytes }))
  const isClear = parts.every(({ message, bytes }) => {
    const text = Buffer.from(bytes).toString()
    if (!isMembers(message) || isAmbiguous(text)) return false
    keepText(message, text)
    return true
  })
  return isClear ? parts : undefined
}

const together: Refusal = {
  code: 'INVALID_INPUT',
  hint: 'It was sent together with a message that was refused.',
}
const unreadable: Refusal = {
  code: 'INVALID_INPUT',
  hint: 'Send one JSON-RPC message, written in one way only.',
}

/** Of messages that come in one body, all pass or none: half a batch has no right HTTP status. */
function refuseAll(
  parts: readonly Part[],
  handlings: readonly (Handling | undefined)[],
): readonly Handling[] {
  return parts.map(({ message }, index): Handling => {
    const handling = handlings[index]
    if (handling?.refusal !== undefined) return handling
    const id = member(message, 'id')
    const answer = isRpcId(id) ? { answer: refusalMessage(id, together) } : {}
    return { notes: handling?.notes ?? [], refusal: together, ...answer }
  })
}

function answerRefused(isBatch: boolean, refused: readonly Handling[]): DoorAnswer {
  const first = refused.find(one => one.refusal !== together) ?? refused[0]
  const answer = refusalAnswer(first?.refusal ?? together, first?.answer?.id ?? null)
  const all = refused.flatMap(one => one.answer ?? [])
  return isBatch ? { ...answer, body: JSON.stringify(all) } : answer
}

function isBatchOf(body: Uint8Array, [first]: readonly Part[]): boolean {
  return first?.bytes !== body
}

function bodyOf(
  body: Uint8Array,
  parts: readonly Part[],
  handlings: readonly (Handling | undefined)[],
): Uint8Array {
  if (handlings.every(handling => handling?.message === undefined && handling?.isOurs !== true)) return body
  const texts = parts.flatMap(({ bytes }, index) => {
    if (handlings[index]?.isOurs === true) return []
    const instead = handlings[index]?.message
    return instead === undefined ? Buffer.from(bytes).toString() : textOf(instead)
  })
  return Buffer.from(isBatchOf(body, parts) ? `[${texts.join(',')}]` : texts.join(''))
}

/** Asks what is to be asked, until that is settled. */
async function settled(
  { ask }: BodyJudging,
  message: unknown,
  handling: Handling | undefined,
): Promise<Handling | undefined> {
  const rpcId = member(message, 'id')
  let last = handling
  while (last?.later !== undefined) {
    if (last.asks !== undefined && isRpcId(rpcId)) ask?.(last.asks, rpcId)
    last = await last.later
  }
  return last
}

/** Judges the messages of one body, in their order. */
export async function judgeBody(judging: BodyJudging): Promise<JudgedBody> {
  const { body, judge, about, channelId, notes, told } = judging
  const parts = partsOf(body)
  if (parts === undefined) return { refused: refusalAnswer(unreadable), messages: [] }
  const messages = parts.map(({ message }) => message)
  const handlings: (Handling | undefined)[] = []
  for (const message of messages)
    handlings.push(await settled(judging, message, await judge.inward(message, about)))
  if (handlings.every(handling => handling?.refusal === undefined)) {
    told({ notes, handlings, channelId })
    if (handlings.every(handling => handling?.isOurs === true)) return { isOurs: true, messages }
    const headers = Object.assign({}, ...handlings.map(handling => handling?.headers ?? {}))
    return { body: bodyOf(body, parts, handlings), headers, messages }
  }
  const refused = refuseAll(parts, handlings)
  told({ notes, handlings: refused, channelId })
  return { refused: answerRefused(isBatchOf(body, parts), refused), messages }
}
