/** Mean and standard deviation of the newest values; `undefined` until the window is full. */
export interface WindowStats {
  readonly mean: number
  readonly deviation: number
}

/** A window of `size` values. Sums are kept relative to the first value, which keeps large offsets from eating their precision. */
export function createWindow(size: number): (value: number) => WindowStats | undefined {
  const values = new Float64Array(size)
  let count = 0
  let origin = 0
  let sum = 0
  let squares = 0
  return value => {
    if (count === 0) origin = value
    const at = count % size
    const [added, dropped] = [value - origin, count < size ? 0 : (values[at] ?? 0)]
    values[at] = added
    sum += added - dropped
    squares += added * added - dropped * dropped
    count += 1
    if (count < size) return undefined
    const mean = sum / size
    return { mean: mean + origin, deviation: Math.sqrt(Math.max(0, squares / size - mean * mean)) }
  }
}
