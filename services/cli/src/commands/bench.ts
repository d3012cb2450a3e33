import type { CliCommand } from '../command.ts'
import { numberOption, positiveInteger } from '../options.ts'

const mebibyte = 1024 * 1024

const steadyCalls = 500

interface Facts {
  readonly calls: number
  readonly calls_per_cpu_s: number
  readonly calls_per_s: number
  readonly peak_rss_bytes: number
  readonly queryable_p99_ms: number
  readonly alert_p99_ms: number
}

function sentence(facts: Facts): string {
  return [
    `${facts.calls} calls observed, masked, watched and archived:`,
    `  ${facts.calls_per_cpu_s} per CPU-second, ${facts.calls_per_s} per second, ${Math.round(facts.peak_rss_bytes / mebibyte)} MiB at most`,
    `  99 of 100 calls could be queried within ${Math.round(facts.queryable_p99_ms)} ms, and attacks had their alert within ${Math.round(facts.alert_p99_ms)} ms`,
  ].join('\n')
}

/** Measures the whole chain on this machine. */
export const benchCommand: CliCommand = {
  name: 'bench',
  summary: 'Measure the whole chain on this machine, from an observed call to the archive',
  help: 'Runs everything in this process, on an embedded bus in a temporary folder that is removed afterwards. Figures per CPU-second hardly depend on other load.',
  examples: [
    ['muniment bench', '20,000 calls of 1 KB'],
    ['muniment bench --calls 100000 --json', 'longer, for programs'],
  ],
  configure: command => {
    command.option('--calls <count>', 'how many calls', positiveInteger, 20_000)
  },
  run: async ({ options, printer }) => {
    const { percentile, runLoad, runSteady } = await import('../bench/pipeline.ts')
    printer.progress('Measuring throughput …')
    const { calls, cpuS, wallS, peakRssBytes } = await runLoad(numberOption(options, 'calls') ?? 20_000)
    printer.progress('Measuring latency …')
    const { queryableMs, alertMs } = await runSteady(steadyCalls)
    printer.progress('')
    const facts = {
      calls,
      calls_per_cpu_s: Math.round(calls / cpuS),
      calls_per_s: Math.round(calls / wallS),
      peak_rss_bytes: peakRssBytes,
      queryable_p99_ms: percentile(queryableMs, 0.99),
      alert_p99_ms: percentile(alertMs, 0.99),
    }
    printer.answer(facts, () => sentence(facts))
    return 0
  },
}
