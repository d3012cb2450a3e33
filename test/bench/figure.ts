/** One measured figure. `reference` is what it is compared with in the same run; `ratio` = value / reference. */
export interface Figure {
  readonly name: string
  readonly value: number
  /** As in `µs`, `events/CPU-s`, `MB`. */
  readonly unit: string
  readonly reference?: number
  readonly ratio?: number
}

/** CPU seconds of this process, user and system, that `work` took. */
export async function cpuSeconds(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
