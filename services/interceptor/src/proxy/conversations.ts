import type { Asking } from '../guard/judge.ts'
import type { OpenCalls } from '../guard/open-calls.ts'

/** What belongs together over several HTTP requests: a session, or the one request that belongs to none. */
export interface Conversation {
  readonly id: string
  readonly calls: OpenCalls
  readonly asking: Asking
  /** It outlives the request with which it began. */
  isKept: boolean
}

/** The sessions of one route, least recently used first. */
export interface Conversations {
  readonly find: (key: string) => Conversation | undefined
  readonly keep: (key: string, conversation: Conversation) => void
  readonly end: (key: string) => void
}

/** Clients may invent as many as they like. */
const mostConversations = 10_000
const maxKeyLength = 512

export function createConversations(): Conversations {
  const kept = new Map<string, Conversation>()
  function end(key: string): void {
    kept.get(key)?.calls.close()
    kept.get(key)?.asking.questions.close()
    kept.delete(key)
  }
  function keep(key: string, conversation: Conversation): void {
    if (key.length > maxKeyLength) return
    conversation.isKept = true
    kept.delete(key)
    kept.set(key, conversation)
    if (kept.size > mostConversations) end(kept.keys().next().value ?? '')
  }
  return {
    find: key => {
      const found = kept.get(key)
      if (found !== undefined) keep(key, found)
      return found
    },
    keep,
    end,
  }
}
