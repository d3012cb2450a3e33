import type { ContentDetector, ContentKind, Document, Finding } from './document.ts'
import { detectSql } from './sql.ts'
import { detectTraversal } from './path.ts'

const detectors: readonly ContentDetector[] = [detectSql, detectTraversal]

/** A finding and the document it lies in. */
export interface PlacedFinding extends Finding {
  readonly document: Document
}

/** The strongest finding of each kind over all texts of an event. */
export function inspect(documents: readonly Document[]): ReadonlyMap<ContentKind, PlacedFinding> {
  const best = new Map<ContentKind, PlacedFinding>()
  for (const document of documents) {
    for (const detect of detectors) {
      const finding = detect(document)
      if (finding !== undefined && finding.score > (best.get(finding.kind)?.score ?? 0)) {
        best.set(finding.kind, { ...finding, document })
      }
    }
  }
  return best
}
