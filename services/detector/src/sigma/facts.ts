/** A value of one field of an event. */
export type Scalar = string | number | boolean | null

/** Looks a field up; an array where the field occurs several times, `undefined` where it is missing. */
export interface Facts {
  (field: string): Scalar | readonly Scalar[] | undefined
  /** Told of characters compared; throws `LIMIT_EXCEEDED` when the event has used up what it may. */
  readonly spend?: (chars: number) => void
}

/** The field that keywords are searched in: every text of the event. */
export const everyText = '*'

/** Something that facts fulfil or not. */
export interface Clause {
  readonly test: (facts: Facts) => boolean
  /** In lower case: at least one of these occurs in a text of every event that fulfils the clause; absent where nothing is known. */
  readonly needs?: readonly string[] | undefined
}

/** How much a set of literals rules out: the shortest one decides. */
function worth(needs: readonly string[] | undefined): number {
  if (needs === undefined || needs.length === 0) return 0
  return Math.min(...needs.map(need => need.length)) - needs.length / 64
}

/** Fulfilled where every clause is; needs what the most telling one needs. */
export function allOf(clauses: readonly Clause[]): Clause {
  const [only] = clauses
  if (only !== undefined && clauses.length === 1) return only
  const best = clauses.reduce<readonly string[] | undefined>(
    (needs, clause) => (worth(clause.needs) > worth(needs) ? clause.needs : needs),
    undefined,
  )
  return { test: facts => clauses.every(clause => clause.test(facts)), needs: best }
}

/** Fulfilled where some clause is; needs one of what they need, if each needs something. */
export function someOf(clauses: readonly Clause[]): Clause {
  const [only] = clauses
  if (only !== undefined && clauses.length === 1) return only
  const needs = clauses.every(clause => worth(clause.needs) > 0)
    ? clauses.flatMap(clause => clause.needs ?? [])
    : undefined
  return { test: facts => clauses.some(clause => clause.test(facts)), needs }
}

/** Fulfilled where the clause is not. */
export function noneOf(clause: Clause): Clause {
  return { test: facts => !clause.test(facts) }
}
