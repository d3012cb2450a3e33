/** How far a value lies beyond everything seen so far, in units of the range seen so far; 0 while it lies within, or before `warmUp` values. */
export type RecordScore = (value: number) => number

const warmUp = 50
const most = 5

/** Keeps the highest and the lowest value; with `decay` both move towards the mean by that share at each value, so that a record fades. */
export function createRecord(decay: number): RecordScore {
  let count = 0
  let mean = 0
  let high = 0
  let low = 0
  return value => {
    count += 1
    mean += (value - mean) / Math.min(count, 1_000)
    if (count === 1) {
      high = value
      low = value
      return 0
    }
    const range = high - low + 1e-12
    const beyond = Math.max(value - high, low - value, 0) / range
    high = value > high ? value : high - decay * (high - mean)
    low = value < low ? value : low + decay * (mean - low)
    return count < warmUp ? 0 : Math.min(beyond, most)
  }
}
