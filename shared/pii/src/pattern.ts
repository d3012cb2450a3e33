import { CODES, type Node, parsePattern, PatternError } from './pattern-parse.ts'

/** No match is longer; together with the automaton below this keeps the search linear in the text. */
const MATCH_MAX = 128
const STATES_MAX = 1500
const ROWS_MAX = 500
const LEAST = 3

/** One state of the automaton before it is made deterministic. */
interface State {
  readonly has?: readonly boolean[]
  readonly next?: number
  /** Where one may go without a code. */
  readonly free: number[]
}

const addState = (states: State[], reads: Pick<State, 'has' | 'next'> = {}): number => {
  if (states.length >= STATES_MAX) throw new PatternError('is too large: multiply fewer counts')
  return states.push({ ...reads, free: [] }) - 1
}

const link = (states: State[], from: number, to: number): void => {
  states[from]?.free.push(to)
}

/** Adds a part that begins at a state; returns the state behind it. */
const build = (states: State[], node: Node, from: number): number => {
  if (node.kind === 'all') return node.parts.reduce((at, part) => build(states, part, at), from)
  if (node.kind === 'repeat') return buildRepeat(states, node, from)
  const end = addState(states)
  if (node.kind === 'set') link(states, from, addState(states, { has: node.has, next: end }))
  else for (const part of node.parts) link(states, build(states, part, branch(states, from)), end)
  return end
}

const branch = (states: State[], from: number): number => {
  const start = addState(states)
  link(states, from, start)
  return start
}

const buildRepeat = (states: State[], node: Extract<Node, { kind: 'repeat' }>, from: number): number => {
  let at = from
  for (let i = 0; i < node.min; i++) at = build(states, node.part, at)
  const end = addState(states)
  link(states, at, end)
  if (node.max === Infinity) {
    const loop = branch(states, at)
    const behind = build(states, node.part, loop)
    link(states, behind, loop)
    link(states, behind, end)
    return end
  }
  for (let i = node.min; i < node.max; i++) {
    at = build(states, node.part, branch(states, at))
    link(states, at, end)
  }
  return end
}

/** Fewest codes that a part matches. */
const leastOf = (node: Node): number => {
  if (node.kind === 'set') return 1
  if (node.kind === 'repeat') return node.min * leastOf(node.part)
  const sizes = node.parts.map(leastOf)
  return node.kind === 'all' ? sizes.reduce((sum, size) => sum + size, 0) : Math.min(...sizes)
}

/** A compiled pattern. */
export interface Pattern {
  /** Whether a match may begin with this code. */
  readonly begins: (code: number) => boolean
  /** Ends of the matches that begin at an offset, the shortest first. */
  readonly ends: (bytes: Uint8Array, from: number, to: number) => readonly number[]
}

/** Codes that no part of the pattern tells apart, each given the first of them. */
const twins = (states: readonly State[]): readonly number[] => {
  const first = new Map<string, number>()
  return Array.from({ length: CODES }, (_, code) => {
    const signs = states.map(({ has }) => (has?.[code] === true ? '1' : '0')).join('')
    const known = first.get(signs) ?? code
    first.set(signs, known)
    return known
  })
}

/** Where one can be without reading a code, as far as it matters. */
const closure = (states: readonly State[], seeds: readonly number[], end: number): readonly number[] => {
  const all = new Set(seeds)
  for (const one of all) for (const free of states[one]?.free ?? []) all.add(free)
  return [...all].filter(one => one === end || states[one]?.has !== undefined).toSorted((a, b) => a - b)
}

/** The deterministic automaton as rows of a table: for each code the next row, 0 where nothing fits. */
interface Table {
  readonly rows: readonly Int16Array[]
  readonly isEnd: readonly boolean[]
}

/** Where a state leads when a code is read; nowhere where it does not read it. */
const followed = (state: State | undefined, code: number): readonly number[] =>
  state?.next !== undefined && state.has?.[code] === true ? [state.next] : []

/** Makes every row at once, so that a pattern that would need too many is known when it is read, not when a text meets it. */
const tableOf = (states: readonly State[], start: number, end: number): Table => {
  const twin = twins(states)
  const sets: (readonly number[])[] = [[], closure(states, [start], end)]
  const known = new Map([
    ['', 0],
    [sets[1]?.join() ?? '', 1],
  ])
  const rowOf = (set: readonly number[]): number => {
    const key = set.join()
    const had = known.get(key)
    if (had !== undefined) return had
    if (sets.length >= ROWS_MAX)
      throw new PatternError(
        'leaves too much open at once: bound its repetitions or begin it with something fixed',
      )
    known.set(key, sets.push(set) - 1)
    return sets.length - 1
  }
  const next = (set: readonly number[], code: number): number =>
    rowOf(
      closure(
        states,
        set.flatMap(one => followed(states[one], code)),
        end,
      ),
    )
  const rows: Int16Array[] = []
  for (let n = 0; n < sets.length; n++) {
    const row = new Int16Array(CODES)
    for (let code = 0; code < CODES; code++)
      row[code] = twin[code] === code ? next(sets[n] ?? [], code) : (row[twin[code] ?? 0] ?? 0)
    rows.push(row)
  }
  return { rows, isEnd: sets.map(set => set.includes(end)) }
}

const matcherOf = ({ rows, isEnd }: Table): Pattern => ({
  begins: code => (rows[1]?.[code] ?? 0) > 0,
  ends: (bytes, from, to) => {
    const found: number[] = []
    const limit = Math.min(to, from + MATCH_MAX)
    let row = 1
    for (let i = from; i < limit && row > 0; i++) {
      row = rows[row]?.[bytes[i] ?? 0] ?? 0
      if (isEnd[row] === true) found.push(i + 1)
    }
    return found
  },
})

/** Compiles a pattern. Throws a {@link PatternError} for one that is not linear, too large, or that fits nearly everything. */
export const compilePattern = (text: string): Pattern => {
  const node = parsePattern(text)
  if (leastOf(node) < LEAST) throw new PatternError(`matches fewer than ${LEAST} characters`)
  const states: State[] = []
  const start = addState(states)
  const end = build(states, node, start)
  return matcherOf(tableOf(states, start, end))
}
