import type { Scan } from '../sandbox/protocol.ts'

/** What a scan's conditions allow to leave out before anything is fetched. Never narrower than the query itself. */
export interface Hints {
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  /** Columns that must equal one value. */
  readonly equal: ReadonlyMap<string, string>
}

/** `now()` is later when the query runs than when it is planned, and time in a plan is cut to what is printed. */
const slackMs = 60_000

const bound = `time(?<op>>=|<=|>|<|=)'(?<time>[0-9 :.+-]{10,40})'::TIMESTAMP WITH TIME ZONE`
const timePattern = new RegExp(`^${bound}$`, 'u')
const equalPattern = /^(?<column>[a-z_]+)='(?<value>[^']*)'$/u

function timeOf(text: string): number | undefined {
  const timeMs = Date.parse(text.replace(' ', 'T').replace(/\+00$/u, 'Z'))
  return Number.isNaN(timeMs) ? undefined : timeMs
}

interface Bound {
  readonly op: string
  readonly timeMs: number
}

/** Part of a filter that DuckDB only adds to skip rows early. */
const optional = /^optional: Dynamic Filter \(\w+\)$/u

/** The bounds of `time` in a filter; none where it says anything else too, because taking them out of that may not be safe. */
function boundsOf(filter: string): readonly Bound[] {
  const parts = filter.split(' AND ').filter(part => !optional.test(part))
  const bounds = parts.flatMap(part => {
    const groups = timePattern.exec(part)?.groups
    const timeMs = timeOf(groups?.['time'] ?? '')
    return groups === undefined || timeMs === undefined ? [] : [{ op: groups['op'] ?? '', timeMs }]
  })
  return bounds.length === parts.length ? bounds : []
}

function hintsOf(scan: Scan): Hints {
  const bounds = scan.filters.flatMap(boundsOf)
  const lower = bounds.filter(({ op }) => op.startsWith('>') || op === '=').map(({ timeMs }) => timeMs)
  const upper = bounds.filter(({ op }) => op.startsWith('<') || op === '=').map(({ timeMs }) => timeMs)
  const pairs = scan.filters.map(filter => equalPattern.exec(filter)?.groups)
  const equal = pairs.flatMap((groups): [string, string][] =>
    groups === undefined ? [] : [[groups['column'] ?? '', groups['value'] ?? '']],
  )
  return {
    fromMs: lower.length === 0 ? undefined : Math.max(...lower) - slackMs,
    toMs: upper.length === 0 ? undefined : Math.min(...upper) + slackMs,
    equal: new Map(equal),
  }
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined)
  return known.length < values.length ? undefined : Math.min(...known)
}

/** What the query's scans of one table allow together: a row that any of them wants must be there. */
export function hintsFor(scans: readonly Scan[]): Hints {
  const all = scans.map(hintsOf)
  const [first, ...others] = all
  if (first === undefined) return { equal: new Map() }
  const latest = smallest(all.map(({ toMs }) => (toMs === undefined ? undefined : -toMs)))
  const equal = [...first.equal].filter(([column, value]) =>
    others.every(hints => hints.equal.get(column) === value),
  )
  return {
    fromMs: smallest(all.map(({ fromMs }) => fromMs)),
    toMs: latest === undefined ? undefined : -latest,
    equal: new Map(equal),
  }
}
