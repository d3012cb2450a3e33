import { beginsAt, type Cluster, endsAt, numberIn } from '../digits.ts'
import * as hint from '../hints.ts'
import { addHit, isHinted, type Leaf } from '../leaf.ts'
import type { Recognizer } from '../recognizer.ts'

/** Numbers the Social Security Administration withdrew after they were printed as samples. */
const SAMPLES = new Set([123_456_789, 78_051_120, 219_099_999])

/** SSA: no area 000, 666 or 900–999, no group 00, no serial 0000. */
const isIssued = (cluster: Cluster): boolean => {
  const area = numberIn(cluster, 0, 3)
  if (area === 0 || area === 666 || area >= 900) return false
  if (numberIn(cluster, 3, 5) === 0 || numberIn(cluster, 5, 9) === 0) return false
  const all = numberIn(cluster, 0, 9)
  return all % 111_111_111 !== 0 && !SAMPLES.has(all)
}

/** ITIN (IRS): area 9xx, group 50–65, 70–88, 90–92, 94–99. */
const isTaxpayer = (cluster: Cluster): boolean => {
  const group = numberIn(cluster, 3, 5)
  return (
    (cluster.digit[0] ?? 0) === 9 &&
    group >= 50 &&
    group !== 66 &&
    group !== 69 &&
    group !== 89 &&
    group !== 93
  )
}

/** The separator of a 3-2-4 grouping, 0 when the digits stand together, -1 for any other shape. */
const shapeOf = (cluster: Cluster): number => {
  if (cluster.upTo[0] === 9) return 0
  const isGrouped = cluster.upTo[0] === 3 && cluster.upTo[1] === 5 && cluster.upTo[2] === 9
  return isGrouped && cluster.joint[1] === cluster.joint[2] ? (cluster.joint[1] ?? -1) : -1
}

/** Dashes make it clear without a word, unless the key says it is something else. */
const isClear = (leaf: Leaf, shape: number): boolean =>
  shape === 45 && (leaf.own & (hint.DENY | hint.PHONE)) === 0

const take = (leaf: Leaf, cluster: Cluster, hit: { start: number; end: number; hinted: boolean }): void => {
  const { start, end, hinted } = hit
  if (isIssued(cluster)) addHit(leaf, { type: 'US_SSN', start, end, score: hinted ? 0.98 : 0.85 })
  else if (isTaxpayer(cluster)) addHit(leaf, { type: 'OTHER', start, end, score: 0.8 })
}

const onDigits = (leaf: Leaf, cluster: Cluster): void => {
  const start = cluster.groupStart[0] ?? 0
  const shape = shapeOf(cluster)
  if (shape < 0 || cluster.start !== start || !beginsAt(leaf, start)) return
  const end = cluster.groupEnd[shape === 0 ? 0 : 2] ?? 0
  const hinted = isHinted(leaf, hint.SSN, start)
  if (endsAt(leaf, end) && (hinted || isClear(leaf, shape))) take(leaf, cluster, { start, end, hinted })
}

/** US social security numbers by the rules of the SSA; without dashes only where a key or word names them. */
export const ssn: Recognizer = { type: 'US_SSN', onDigits }
