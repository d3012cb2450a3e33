import { randomUUID } from 'node:crypto'
import { isMembers, type Members } from '../json.ts'
import type { Question } from './guard.ts'

/** A question on its way to a client. */
interface Posed {
  readonly message: Members
  /** What the client answers; `undefined` where it does not in time, or cannot any more. Never rejects. */
  readonly answer: Promise<Members | undefined>
}

/** The questions that a guard asks the client of one channel. Their ids cannot be guessed, so that nobody's answer counts but the client's. */
export interface Questions {
  readonly ask: (question: Question, rpcId: unknown) => Posed
  /** Whether a message from the client is the answer to one; it is then no business of the server. */
  readonly take: (message: unknown) => boolean
  /** The request in whose course it was asked is over. */
  readonly cancel: (rpcId: unknown) => void
  readonly close: () => void
}

interface Open {
  readonly rpcId: unknown
  readonly done: (answer: Members | undefined) => void
}

const mostOpen = 64

/** A table of open questions. */
export function createQuestions(): Questions {
  const open = new Map<string, Open>()
  const end = (id: string, answer?: Members): void => {
    open.get(id)?.done(answer)
    open.delete(id)
  }
  return {
    ask: ({ method, params, timeoutMs }, rpcId) => {
      const id = `muniment-${randomUUID()}`
      const answered = new Promise<Members | undefined>(resolve => {
        const timer = setTimeout(() => end(id), timeoutMs)
        const done = (answer: Members | undefined): void => {
          clearTimeout(timer)
          resolve(answer)
        }
        open.set(id, { rpcId, done })
      })
      if (open.size > mostOpen) end(id)
      return { message: { jsonrpc: '2.0', id, method, params }, answer: answered }
    },
    take: message => {
      if (!isMembers(message) || message['method'] !== undefined) return false
      const { id } = message
      if (typeof id !== 'string' || !open.has(id)) return false
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
