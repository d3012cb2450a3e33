const bins = 1_000
/** Texts without a finding that must have been scored. */
const fewest = 1_000
/** When so many were counted, all counts are halved: what is usual may change. */
const halveAt = 100_000
/** One in a thousand ordinary texts scores as high. */
const share = 0.001

/** What score is out of the ordinary here. */
export interface Threshold {
  /** Takes in the score of a text in which no rule found anything. */
  readonly learn: (score: number) => void
  /** The score that one in a thousand of them exceeds; undefined while too few were seen. */
  readonly limit: () => number | undefined
}

/** Learns from the traffic of this deployment: scores of fitted models mean something else in each. */
export function createThreshold(): Threshold {
  let counts = Array.from({ length: bins + 1 }, () => 0)
  let total = 0
  let seen = 0
  return {
    learn: score => {
      const at = Math.round(score * bins)
      counts[at] = (counts[at] ?? 0) + 1
      total += 1
      seen += 1
      if (total < halveAt) return
      counts = counts.map(count => count / 2)
      total /= 2
    },
    limit: () => {
      if (seen < fewest) return undefined
      let above = 0
      for (let at = bins; at >= 0; at -= 1) {
        above += counts[at] ?? 0
        if (above > total * share) return Math.min(1, (at + 1) / bins)
      }
      return 0
    },
  }
}
