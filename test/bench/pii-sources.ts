/** What was right, wrong and missed of one kind. */
export interface Counts {
  readonly tp: number
  readonly fp: number
  readonly fn: number
}

/** Counts of each kind in each labelled set. */
export type BySource = Readonly<Record<string, { readonly types: Readonly<Record<string, Counts>> }>>

const core = ['EMAIL', 'PHONE', 'US_SSN', 'CREDIT_CARD', 'IP_ADDRESS', 'STREET_ADDRESS', 'PASSPORT', 'IBAN']

function added(sets: BySource, type: string): Counts {
  const sum = { tp: 0, fp: 0, fn: 0 }
  for (const { types } of Object.values(sets)) {
    const counts = types[type]
    sum.tp += counts?.tp ?? 0
    sum.fp += counts?.fp ?? 0
    sum.fn += counts?.fn ?? 0
  }
  return sum
}

/** F-measure that counts recall four times as much as precision. */
function f2({ tp, fp, fn }: Counts): number {
  return (5 * tp) / (5 * tp + 4 * fn + fp)
}

interface Summary {
  readonly kinds: number
  readonly macroF2: number
  readonly leastPrecision: number
}

/** Over the core kinds that are labelled in these sets. */
function summaryOf(sets: BySource): Summary {
  const counts = core.map(type => added(sets, type)).filter(({ tp, fn }) => tp + fn > 0)
  return {
    kinds: counts.length,
    macroF2: counts.reduce((sum, each) => sum + f2(each), 0) / counts.length,
    leastPrecision: Math.min(...counts.map(({ tp, fp }) => tp / (tp + fp))),
  }
}

function percent(value: number): string {
  return Number.isFinite(value) ? (100 * value).toFixed(1) : '–'
}

/** A table of the scores in each set, and of what is left of the whole score without it. */
export function sourceTable(sets: BySource): readonly string[] {
  const rows = Object.entries(sets).map(([name, set]) => {
    const alone = summaryOf({ [name]: set })
    const rest = summaryOf(Object.fromEntries(Object.entries(sets).filter(([other]) => other !== name)))
    const cells = [
      name,
      alone.kinds,
      percent(alone.macroF2),
      percent(alone.leastPrecision),
      percent(rest.macroF2),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const head = ['source', 'core kinds in it', 'macro F2 on it', 'least precision', 'macro F2 without it']
  return [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows]
}
