import { randomBytes } from 'node:crypto'
import {
  createControlVerifier,
  createControlView,
  readDecision,
  type ControlVerifier,
  type ControlView,
} from '@muniment/keys/control'
import { decisionKey } from '@muniment/schema'
import { maxPageBytes } from './control-wire.ts'

/** What a device is told: decisions as they were signed, and where the next question begins. */
interface Page {
  readonly lines: readonly string[]
  readonly cursor: string
}

/** Passes decisions on to devices. It holds no key that signs any, so it can only leave some out. */
export interface ControlRelay {
  /** Takes a record of `mcp.control`; what nobody with a control key signed, and what is older than what is known, goes no further. */
  readonly take: (value: Uint8Array) => ReturnType<ControlView['apply']> | 'malformed' | 'forged'
  /** What came after a cursor: from the beginning where it is none of this relay's. */
  readonly after: (cursor: string | undefined) => Page
  /** Resolves when something new has come, at most after `waitMs`, or when the asker has left. */
  readonly changed: (waitMs: number, left: AbortSignal) => Promise<void>
}

export interface RelayOptions {
  /** `<id>.<base64url>`, those with which decisions are signed. */
  readonly publicKeys: readonly string[]
  readonly nowMs: () => number
}

interface Entry {
  readonly number: number
  readonly key: string
  readonly line: string
}

interface State {
  /** Another one after a restart, for numbers begin again. */
  readonly name: string
  readonly view: ControlView
  entries: Entry[]
  readonly newest: Map<string, number>
  count: number
  readonly waiting: Set<() => void>
}

function isCurrent({ view, newest }: State, { key, number }: Entry): boolean {
  return newest.get(key) === number && view.find(key) !== undefined
}

/** Forgets what is replaced or over once that is most of it. */
function compact(state: State): void {
  if (state.entries.length < 1000 || state.entries.length < 2 * state.newest.size) return
  state.entries = state.entries.filter(entry => isCurrent(state, entry))
  state.newest.clear()
  for (const { key, number } of state.entries) state.newest.set(key, number)
}

function numberIn({ name }: State, cursor: string | undefined): number {
  const [asked, number] = cursor?.split('.') ?? []
  return asked === name && number !== undefined && /^\d{1,15}$/u.test(number) ? Number(number) : 0
}

function pageAfter(state: State, cursor: string | undefined): Page {
  const from = numberIn(state, cursor)
  const start = state.entries.findLastIndex(({ number }) => number <= from) + 1
  const lines: string[] = []
  let [bytes, last] = [0, Math.min(from, state.count)]
  for (let at = start; at < state.entries.length && bytes < maxPageBytes; at++) {
    const entry = state.entries[at]
    if (entry === undefined) break
    last = entry.number
    if (!isCurrent(state, entry)) continue
    lines.push(entry.line)
    bytes += entry.line.length
  }
  return { lines, cursor: `${state.name}.${last}` }
}

function changed({ waiting }: State, waitMs: number, left: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer)
      waiting.delete(done)
      left.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, waitMs)
    waiting.add(done)
    left.addEventListener('abort', done)
  })
}

function take(state: State, verifier: ControlVerifier, value: Uint8Array): ReturnType<ControlRelay['take']> {
  const { view, entries, newest, waiting } = state
  const decision = readDecision(verifier, value, view)
  if (typeof decision === 'string') return decision
  const outcome = view.apply(decision)
  if (outcome !== 'applied') return outcome
  const key = decisionKey(decision)
  state.count += 1
  // Written anew: a text that was signed may still have line ends in it.
  const line = JSON.stringify(JSON.parse(Buffer.from(value).toString()))
  entries.push({ number: state.count, key, line })
  newest.set(key, state.count)
  compact(state)
  for (const wake of waiting) wake()
  return outcome
}

/** A relay that knows nothing yet. Throws `CONFIG_INVALID` where a key is none. */
export function createControlRelay({ publicKeys, nowMs }: RelayOptions): ControlRelay {
  const verifier = createControlVerifier(publicKeys)
  const state: State = {
    name: randomBytes(6).toString('hex'),
    view: createControlView({ now: nowMs }),
    entries: [],
    newest: new Map(),
    count: 0,
    waiting: new Set(),
  }
  return {
    take: value => take(state, verifier, value),
    after: cursor => pageAfter(state, cursor),
    changed: (waitMs, left) => changed(state, waitMs, left),
  }
}
