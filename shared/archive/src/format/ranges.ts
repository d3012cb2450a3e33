/** Whole numbers from the first to the second, both included. */
export type Range = readonly [number, number]

/** Ranges in ascending order that neither overlap nor touch. */
export type RangeSet = readonly Range[]

/** The set of everything in `ranges`. */
export function mergeRanges(ranges: readonly Range[]): RangeSet {
  const merged: [number, number][] = []
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const top = merged.at(-1)
    if (top !== undefined && first <= top[1] + 1) top[1] = Math.max(top[1], last)
    else merged.push([first, last])
  }
  return merged
}

/** What of `set` is not in `removed`. */
export function subtractRange(set: RangeSet, removed: Range): RangeSet {
  const [from, to] = removed
  return set.flatMap(([first, last]): Range[] => {
    if (last < from || first > to) return [[first, last]]
    const rest: Range[] = []
    if (first < from) rest.push([first, from - 1])
    if (last > to) rest.push([to + 1, last])
    return rest
  })
}

/** What of `set` is not in `removed`. */
export function subtractRanges(set: RangeSet, removed: RangeSet): RangeSet {
  return removed.reduce(subtractRange, set)
}

/** What of `set` lies in `within`. */
export function intersectRange(set: RangeSet, within: Range): RangeSet {
  return set.flatMap(([first, last]): Range[] => {
    const from = Math.max(first, within[0])
    const to = Math.min(last, within[1])
    return from <= to ? [[from, to]] : []
  })
}

/** How many numbers are in the set. */
export function countRanges(set: RangeSet): number {
  return set.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}
