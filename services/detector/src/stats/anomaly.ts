import { createRecord } from './record.ts'
import { createRefractory } from './refractory.ts'
import { createSeason } from './season.ts'
import { createWindow } from './window.ts'

/** Judges one series of numbers as it comes. */
export interface AnomalyDetector {
  /** How unusual the value is, 0 … 1, from earlier values alone; values of one series in order of time. A value that is no number scores 0 and leaves no trace. */
  readonly next: (timeMs: number, value: number) => number
}

/** Rows after an alarm in which only a stronger one passes. */
const quietRows = 100
/** Half of the highest score is reached where the weighted record is broken by a tenth of the range. */
const steepness = 10

/**
 * A detector for one series: looks for records — values, steps, levels, unrest and departures from the week's rhythm beyond anything seen before —
 * weighted by how rarely chance breaks them. Bounded memory (about 6 kB), no knowledge of the future, nothing to configure.
 */
export function createAnomalyDetector(): AnomalyDetector {
  const [value, step, level, slowLevel] = [createRecord(0), createRecord(0), createRecord(0), createRecord(0)]
  const [unrest, longUnrest, rhythm] = [createRecord(0.0005), createRecord(0), createRecord(0)]
  const [short, long] = [createWindow(24), createWindow(96)]
  const season = createSeason()
  const quiet = createRefractory(quietRows)
  let previous: number | undefined
  const judge = (timeMs: number, current: number): number => {
    const [near, far] = [short(current), long(current)]
    const jump = previous === undefined ? 0 : Math.abs(current - previous)
    previous = current
    const found = [0.2 * value(current), 0.05 * step(jump), 0.05 * rhythm(season(timeMs, current))]
    if (near !== undefined) found.push(level(near.mean), 0.05 * unrest(near.deviation))
    if (far !== undefined) found.push(0.1 * slowLevel(far.mean), 0.3 * longUnrest(far.deviation))
    return Math.max(...found) * steepness
  }
  return {
    next: (timeMs, current) => {
      if (!Number.isFinite(current)) return 0
      const score = judge(timeMs, current)
      return quiet(score / (1 + score))
    },
  }
}
