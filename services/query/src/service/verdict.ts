import type { VerifyReport } from '@muniment/archive'

/** What a verification found, for those who may see all of it or only what concerns their tenants. */
export interface Verdict extends Pick<VerifyReport, 'ok' | 'covered'> {
  /** How many findings of each kind; whose objects they concern is told only where all tenants may be seen. */
  readonly problems: Readonly<Record<string, number>>
  readonly notes: Readonly<Record<string, number>>
  readonly log: { readonly origin: string; readonly treeSize: number; readonly root: string } | undefined
}

function countsOf(findings: VerifyReport['problems']): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { code } of findings) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

/** A report without the names of other tenants than `tenants`. */
export function verdictFor(report: VerifyReport, tenants: readonly string[] | undefined): Verdict {
  const { ok, problems, notes, covered, anchored } = report
  const isSeen = (tenant: string): boolean => tenants?.includes(tenant) !== false
  return {
    ok,
    problems: countsOf(problems),
    notes: countsOf(notes),
    covered: covered.flatMap(({ tenants: all, ...place }) => {
      const seen = all.filter(({ tenant }) => isSeen(tenant))
      return seen.length === 0 ? [] : [{ ...place, tenants: seen }]
    }),
    log: anchored && { origin: anchored.origin, treeSize: anchored.treeSize, root: anchored.root },
  }
}
