import type { Conversation, VaultRow, VaultStore } from '@muniment/pii'

/** Beyond these the ones that expire first are forgotten: their tokens are then unknown, never somebody else's. */
const maxRowsPerConversation = 5000
const maxRows = 200_000

type Rows = Map<string, VaultRow>

interface State {
  /** Those that were added to last stand last, and so expire last. */
  readonly conversations: Map<string, Rows>
  readonly now: () => number
  count: number
}

function nameOf({ tenant, principal, conversation }: Conversation): string {
  return JSON.stringify([tenant, principal, conversation])
}

function dropFirst(state: State, rows: Rows): void {
  for (const token of rows.keys()) {
    rows.delete(token)
    state.count -= 1
    return
  }
}

function isOver(rows: Rows, now: number): boolean {
  for (const { expiresMs } of rows.values()) if (expiresMs > now) return false
  return true
}

/** Removes conversations from the front: those that are over, and as many as are too much. */
function sweep(state: State): void {
  const now = state.now()
  for (const [name, rows] of state.conversations) {
    if (state.count <= maxRows && !isOver(rows, now)) return
    state.conversations.delete(name)
    state.count -= rows.size
  }
}

function add(state: State, rows: Rows, row: VaultRow): void {
  if (rows.delete(row.token)) state.count -= 1
  else if (rows.size >= maxRowsPerConversation) dropFirst(state, rows)
  rows.set(row.token, row)
  state.count += 1
}

/** A vault for the conversations of this process: sealed rows in memory, bounded, gone with it. */
export function createMemoryVault(now: () => number): VaultStore {
  const state: State = { conversations: new Map(), now, count: 0 }
  return {
    put: (conversation, added) => {
      const name = nameOf(conversation)
      const rows: Rows = state.conversations.get(name) ?? new Map()
      state.conversations.delete(name)
      state.conversations.set(name, rows)
      for (const row of added) add(state, rows, row)
      sweep(state)
      return undefined
    },
    get: (conversation, tokens) => {
      const rows = state.conversations.get(nameOf(conversation))
      return rows === undefined ? [] : tokens.flatMap(token => rows.get(token) ?? [])
    },
  }
}
