import type { Finding, MaskingDecision } from '@muniment/pii'
import type { PolicyNote } from '../../record.ts'

const maxReason = 256

/** Kinds with how often each was found. */
function summary(findings: readonly Finding[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const { type, count } of findings) counts.set(type, (counts.get(type) ?? 0) + count)
  return Array.from(counts, ([type, count]) => `${type} ${count}`)
}

function outcomeOf({ isMasked }: MaskingDecision, findings: readonly Finding[]): string {
  if (!isMasked) return 'off'
  return findings.length === 0 ? 'nothing_found' : 'masked'
}

/** What was decided for an answer and who decided it: kinds and numbers, never what was found. */
export function maskNote(decision: MaskingDecision, findings: readonly Finding[]): PolicyNote {
  const kinds = summary(findings)
  const reason = [
    `by ${decision.by}`,
    ...(decision.isHeaderRefused ? ['a header that asked for less was ignored'] : []),
    ...(kinds.length === 0 ? [] : [kinds.join(', ')]),
  ].join('; ')
  return {
    name: 'mask/before_llm',
    decision: outcomeOf(decision, findings),
    reason: reason.slice(0, maxReason),
  }
}

/** What became of the tokens in a request. */
export function restoreNote({
  restored,
  unknown,
}: {
  readonly restored: number
  readonly unknown: number
}): PolicyNote {
  const reason =
    unknown === 0 ? `${restored} restored` : `${restored} restored, ${unknown} unknown and left as they are`
  return { name: 'mask/restore', decision: restored > 0 ? 'restored' : 'not_restored', reason }
}
