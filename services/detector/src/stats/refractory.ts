interface Peak {
  readonly row: number
  readonly score: number
}

/** Lets a score through only where it exceeds every score of the newest `rows` rows: one incident, one alarm, unless it grows. */
export function createRefractory(rows: number): (score: number) => number {
  // Falling scores in order of their rows, so that the first is the highest of the window.
  const peaks: Peak[] = []
  let row = 0
  const isPast = (peak: Peak | undefined): boolean => peak !== undefined && peak.row <= row - rows
  const isBelow = (peak: Peak | undefined, score: number): boolean =>
    peak !== undefined && peak.score <= score
  return score => {
    row += 1
    while (isPast(peaks[0])) peaks.shift()
    const highest = peaks[0]?.score ?? 0
    while (isBelow(peaks[peaks.length - 1], score)) peaks.pop()
    peaks.push({ row, score })
    return score > highest ? score : 0
  }
}
