import { randomUUID } from 'node:crypto'
import { isMembers, type Members } from '../json.ts'
import type { Principal } from '../record.ts'
import type { Question } from './guard.ts'

/** A question on its way to a client. */
interface Posed {
  readonly message: Members
  /** What the client answers; `undefined` where it does not in time, or cannot any more. Never rejects. */
  readonly answer: Promise<Members | undefined>
}

/** The questions that a guard asks the client of one channel. Their ids cannot be guessed, so that nobody's answer counts but the client's. */
export interface Questions {
  readonly ask: (question: Question, rpcId: unknown, asked?: Principal) => Posed
  /** Whether a message from the client is the answer to one, given by who was asked; it is then no business of the server. */
  readonly take: (message: unknown, from?: Principal) => boolean
  /** The request in whose course it was asked is over. */
  readonly cancel: (rpcId: unknown) => void
  readonly close: () => void
}

interface Open {
  readonly rpcId: unknown
  readonly who: string
  readonly done: (answer: Members | undefined) => void
}

const mostOpen = 64

function whoIs(principal: Principal | undefined): string {
  const { method, issuer, id, client_id: clientId } = principal ?? {}
  return JSON.stringify([method, issuer, id, clientId])
}

/** A table of open questions. */
export function createQuestions(): Questions {
  const open = new Map<string, Open>()
  const end = (id: string, answer?: Members): void => {
    open.get(id)?.done(answer)
    open.delete(id)
  }
  return {
    ask: ({ method, params, timeoutMs }, rpcId, asked) => {
      const id = `muniment-${randomUUID()}`
      const answered = new Promise<Members | undefined>(resolve => {
        const timer = setTimeout(() => end(id), timeoutMs)
        const done = (answer: Members | undefined): void => {
          clearTimeout(timer)
          resolve(answer)
        }
        open.set(id, { rpcId, who: whoIs(asked), done })
      })
      if (open.size > mostOpen) end(id)
      return { message: { jsonrpc: '2.0', id, method, params }, answer: answered }
    },
    take: (message, from) => {
      if (!isMembers(message) || message['method'] !== undefined) return false
      const { id } = message
      if (typeof id !== 'string' || open.get(id)?.who !== whoIs(from)) return false
      end(id, message)
      return true
    },
    cancel: rpcId => {
      for (const [id, one] of open) if (one.rpcId === rpcId) end(id)
    },
    close: () => {
      for (const id of open.keys()) end(id)
    },
  }
}
