import type { Opening } from './cut-working.ts'
import type { Findings } from './report.ts'

/** Erasing leaves at least its receipt readable: where nothing is, the key store may never have been this archive's. */
function noteForeign(openings: readonly Opening[], { notes }: Findings): void {
  const [first] = openings
  if (first === undefined || openings.some(({ isOpen }) => isOpen)) return
  const reason = 'no key of any tenant is held: all are erased, or this is not the key store of this archive'
  notes.push({ code: 'segment.locked-out', object: first.object, range: first.range, reason })
}

/**
 * An erasure destroys all keys that a tenant has, so that nothing older opens any more. Where older segments open and a newer one does not, keys were
 * lost, or their store was put back to an earlier state.
 */
export function checkKeys(openings: readonly Opening[], findings: Findings): void {
  noteForeign(openings, findings)
  const oldest = new Map<string, number>()
  for (const { tenant, isOpen, sealedMs } of openings) {
    if (isOpen) oldest.set(tenant, Math.min(sealedMs, oldest.get(tenant) ?? Infinity))
  }
  for (const { tenant, isOpen, sealedMs, object, range } of openings) {
    if (isOpen || sealedMs <= (oldest.get(tenant) ?? Infinity)) continue
    const reason = `the key of ${tenant} is gone, but older ones of it are held: lost, or the key store was rolled back`
    findings.problems.push({ code: 'segment.locked-out', object, range, reason })
  }
}
