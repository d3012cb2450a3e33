import type { CliCommand } from '../command.ts'
import { numberOption, positiveInteger } from '../options.ts'

const mebibyte = 1024 * 1024

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
    const { runLoad } = await import('../bench/pipeline.ts')
    printer.progress('Measuring …')
    const { calls, cpuS, wallS, peakRssBytes } = await runLoad(numberOption(options, 'calls') ?? 20_000)
    printer.progress('')
    const perCpuSecond = Math.round(calls / cpuS)
    const facts = {
      calls,
      calls_per_cpu_s: perCpuSecond,
      calls_per_s: Math.round(calls / wallS),
      peak_rss_bytes: peakRssBytes,
    }
    printer.answer(
      facts,
      () =>
        `${calls} calls observed, masked, watched and archived: ${perCpuSecond} per CPU-second, ${facts.calls_per_s} per second, ${Math.round(peakRssBytes / mebibyte)} MiB at most`,
    )
    return 0
  },
}
