import { percentile, runLoad, runSteady } from '../../services/cli/src/bench/pipeline.ts'
import type { Figure } from './figure.ts'

const calls = 40_000
const mebibyte = 1024 * 1024

function against(name: string, unit: string, { value, bar }: { value: number; bar: number }): Figure {
  return { name, value, unit, reference: bar, ratio: value / bar }
}

/** The whole chain in this process, from the tap to the archived manifest, on the embedded bus and local files. */
export async function run(): Promise<readonly Figure[]> {
  await runLoad(calls / 10)
  const { cpuS, peakRssBytes } = await runLoad(calls)
  const { queryableMs, alertMs, archivedMs } = await runSteady(1000)
  return [
    against('observe → archive, calls of 1 KB', 'calls/CPU-s', { value: calls / cpuS, bar: 10_000 }),
    against('resident memory at that load, highest', 'MiB', { value: peakRssBytes / mebibyte, bar: 500 }),
    { name: 'call → queryable, p50', value: percentile(queryableMs, 0.5), unit: 'ms' },
    against('call → queryable, p99', 'ms', { value: percentile(queryableMs, 0.99), bar: 5000 }),
    { name: 'call → alert, p50', value: percentile(alertMs, 0.5), unit: 'ms' },
    against('call → alert, p99', 'ms', { value: percentile(alertMs, 0.99), bar: 1000 }),
    against('call → archived, oldest of a cut, highest', 'ms', { value: Math.max(...archivedMs), bar: 5000 }),
  ]
}
