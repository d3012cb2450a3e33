import { type Ids, lettersOf, type Value } from './actions.ts'
import { compileKind, type Kinds } from './custom.ts'
import { createExplainer, type Masked, maskedBy, type MaskOptions, type Piece, splice } from './masker.ts'
import { quoteAt } from './placeholder.ts'
import type { Policy } from './policy.ts'
import { type Found, scan } from './scan.ts'
import { compileSelector } from './selector.ts'
import { MASKED_HOST } from './shape.ts'
import { andThen, type Soon } from './soon.ts'

/** Whose conversation it is; a token is worth something there only. */
export interface Conversation {
  readonly tenant: string
  /** As verified. */
  readonly principal: string
  readonly conversation: string
}

/** One row of a vault: what a token stands for, sealed. */
export interface VaultRow {
  readonly token: string
  readonly sealed: string
  readonly expiresMs: number
}

/**
 * Where rows wait until the model uses their tokens. Durability: what `put` resolved for is found by a later `get`, also from another process,
 * until it expires. Rows are small; a store may drop the oldest of a conversation that has very many.
 */
export interface VaultStore {
  put(conversation: Conversation, rows: readonly VaultRow[]): Soon<unknown>
  /** The rows of these tokens, as far as they are there. */
  get(conversation: Conversation, tokens: readonly string[]): Soon<readonly VaultRow[]>
}

/** What binds a sealed value to its place: opened anywhere else, or under another expiry, it is nothing. */
export interface SealPlace {
  readonly conversation: Conversation
  readonly token: string
  readonly expiresMs: number
}

/** The keyed functions of a vault, for one generation of keys. */
export interface VaultKeys {
  /** Hexadecimal digits that nobody can foretell, the same for the same value in the same conversation. */
  readonly idOf: (conversation: Conversation, value: string) => string
  readonly seal: (place: SealPlace, value: string) => string
  /** `undefined` where it was sealed for another place or by another key. */
  readonly open: (place: SealPlace, sealed: string) => string | undefined
}

/** What a round trip is made from. */
export interface RoundTripOptions {
  /** Its tokens are the vault's; everything else of it stays gone. */
  readonly policy: Omit<Policy, 'token'>
  readonly store: VaultStore
  readonly keys: () => Soon<VaultKeys>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly ttlMs: number
  /** Selectors of places where tokens are left as they are. */
  readonly unrestored?: readonly string[]
}

/** A text with its tokens replaced by what they stand for. */
export interface Restored {
  readonly text: string
  /** Tokens that were replaced. */
  readonly restored: number
  /** Tokens that were never issued to this conversation, or have expired; they stay as they are. */
  readonly unknown: number
}

/** Masks what goes to a model and restores what comes back from it; at once, unless the vault or its keys take their time. */
export interface RoundTrip {
  /** Comes when the vault holds every token of the answer: a model never sees one that cannot be restored. */
  readonly mask: (text: string, conversation: Conversation, options?: MaskOptions) => Soon<Masked>
  /** Replaces tokens of this conversation, in JSON at any depth as the value's own form; everything else stays byte for byte. */
  readonly restore: (text: string, conversation: Conversation) => Soon<Restored>
}

const TOKENS_MAX = 10_000
const ID = '[a-z]{16,64}'

const HOST = MASKED_HOST.replace('.', '\\.')

/** Looks for tokens and nothing else. */
const tokenKinds = (): Kinds => ({
  all: [
    { name: 'TOKEN', pattern: `\\[[A-Z_]{2,31}:${ID}\\]` },
    { name: 'SHAPED', pattern: `${ID}@${HOST}` },
    { name: 'SHAPED', pattern: `https://${HOST}/${ID}` },
  ].map(compileKind),
  openings: [],
  isAlone: true,
})

/** Made when the first text is restored: the tables of three patterns take longer than to load all the rest. */
let knownKinds: Kinds | undefined

/** A value as it stood in the text, and as people write it. */
type Held = Pick<Value, 'raw' | 'value' | 'level' | 'isNumber'>

const packed = ({ raw, value, level, isNumber }: Held): string =>
  JSON.stringify([raw, value, level, isNumber])

const unpacked = (text: string): Held | undefined => {
  const parts: unknown = JSON.parse(text)
  if (!Array.isArray(parts)) return undefined
  const [raw, value, level, isNumber]: unknown[] = parts
  return typeof raw === 'string' &&
    typeof value === 'string' &&
    typeof level === 'number' &&
    typeof isNumber === 'boolean'
    ? { raw, value, level, isNumber }
    : undefined
}

/** The value inside so many JSON strings. */
const escaped = (value: string, level: number): string => {
  let text = value
  for (let i = 0; i < level; i++) text = JSON.stringify(text).slice(1, -1)
  return text
}

/** Size of the quotes around a token that is all of a JSON string, 0 for any other. */
const quotesAround = (text: string, { start, end, level }: Found): number => {
  if (level === 0) return 0
  const quote = quoteAt(level - 1)
  const from = start - quote.length
  const isQuoted = text.startsWith(quote, end) && from >= 0 && text.startsWith(quote, from)
  return isQuoted && text[from - 1] !== '\\' ? quote.length : 0
}

const pieceOf = (text: string, found: Found, held: Held): Piece => {
  const { start, end, level } = found
  if (!held.isNumber)
    return { start, end, instead: held.level === level ? held.raw : escaped(held.value, level) }
  const quotes = quotesAround(text, found)
  return { start: start - quotes, end: end + quotes, instead: held.raw }
}

const LETTERS = /[a-z]{16,64}(?=@|\]?$)/

const idIn = (token: string): string => LETTERS.exec(token)?.[0] ?? ''

/** Tokens in places where they may be restored. */
const tokenFinder = (unrestored: readonly string[]): ((text: string) => readonly Found[]) => {
  const selectors = unrestored.map(compileSelector)
  const withPaths = selectors.length > 0
  return text => {
    knownKinds ??= tokenKinds()
    return scan(text, { json: true, withPaths, path: '', kinds: knownKinds }).filter(
      ({ path }) => !selectors.some(covers => covers(path)),
    )
  }
}

/** Gives ids to the values of one text and remembers which it gave. */
const issuing = (
  conversation: Conversation,
  { idOf }: VaultKeys,
): { readonly ids: Ids; readonly given: Map<string, Held> } => {
  const given = new Map<string, Held>()
  // Lists repeat values, and a keyed hash of each is most of the work.
  const known = new Map<string, string>()
  const token = (found: Value): string => {
    const text = packed(found)
    const id = known.get(text) ?? idOf(conversation, text)
    known.set(text, id)
    given.set(lettersOf(id), found)
    return id
  }
  return { ids: { token, hash: ({ value }) => idOf(conversation, value) }, given }
}

interface Whose {
  readonly conversation: Conversation
}

type Opened = ReadonlyMap<string, Held>

interface Opening {
  readonly conversation: Conversation
  readonly rows: readonly VaultRow[]
  readonly nowMs: number
}

const openRows = ({ open }: VaultKeys, { conversation, rows, nowMs }: Opening): Opened => {
  const opened = new Map<string, Held>()
  for (const { token, sealed, expiresMs } of rows) {
    if (expiresMs <= nowMs) continue
    const held = open({ conversation, token, expiresMs }, sealed)
    const value = held === undefined ? undefined : unpacked(held)
    if (value !== undefined) opened.set(token, value)
  }
  return opened
}

const restoreWith = (text: string, found: readonly Found[], opened: Opened): Restored => {
  const pieces = found.flatMap(one => {
    const held = opened.get(idIn(text.slice(one.start, one.end)))
    return held === undefined ? [] : [pieceOf(text, one, held)]
  })
  return { text: splice(text, pieces), restored: pieces.length, unknown: found.length - pieces.length }
}

/** Makes a round trip. Throws a `RangeError` for a policy that cannot be used. */
export const createRoundTrip = (options: RoundTripOptions): RoundTrip => {
  const { policy, store, keys, now, ttlMs, unrestored = [] } = options
  const explain = createExplainer({ ...policy, token: () => '' })
  const findTokens = tokenFinder(unrestored)

  const maskWith = (vaultKeys: VaultKeys, text: string, maskOptions: MaskOptions & Whose): Soon<Masked> => {
    const { conversation } = maskOptions
    const { ids, given } = issuing(conversation, vaultKeys)
    const masked = maskedBy(text, explain(text, { ...maskOptions, tenant: conversation.tenant }, ids))
    if (given.size === 0) return masked
    const expiresMs = now() + ttlMs
    const rows = Array.from(given, ([token, held]) => ({
      token,
      sealed: vaultKeys.seal({ conversation, token, expiresMs }, packed(held)),
      expiresMs,
    }))
    return andThen(store.put(conversation, rows), () => masked)
  }
  return {
    mask: (text, conversation, maskOptions = {}) =>
      andThen(keys(), vaultKeys =>
        maskWith(vaultKeys, text, { surface: 'model', ...maskOptions, conversation }),
      ),
    restore: (text, conversation) => {
      const found = findTokens(text).slice(0, TOKENS_MAX)
      if (found.length === 0) return { text, restored: 0, unknown: 0 }
      const tokens = [...new Set(found.map(({ start, end }) => idIn(text.slice(start, end))))]
      return andThen(keys(), vaultKeys =>
        andThen(store.get(conversation, tokens), rows =>
          restoreWith(text, found, openRows(vaultKeys, { conversation, rows, nowMs: now() })),
        ),
      )
    },
  }
}
