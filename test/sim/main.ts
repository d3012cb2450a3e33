// oxlint-disable-next-line import/no-unassigned-import -- replaces timers and thread pools before anything else is loaded
import './real.ts'
import { parseArgs } from 'node:util'
import { runSeed, type Outcome } from './run.ts'
import { sabotages, type Sabotage } from './sabotage.ts'
import { warmUp } from './warm-up.ts'

const usage = `npm run sim -- --seeds 10000        runs many seeds and stops at none that fails
npm run sim -- --seed 7             replays one, with its trace
npm run sim -- --seeds 300 --first 1000
npm run sim -- --seeds 1000 --sabotage ${sabotages.slice(1).join('|')}
                                    breaks a promise on purpose, and ends at the first seed that shows it
`

interface Wanted {
  readonly first: number
  readonly count: number
  readonly sabotage: Sabotage
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

const toldEvery = 500

/** On a terminal one line that counts, elsewhere a line now and then. */
function progress(done: number, line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${line} `)
  else if (done % toldEvery === 0) process.stderr.write(`${line}\n`)
}

function tell({ seed, violations, digest }: Outcome, sabotage: Sabotage): void {
  say(`seed ${seed} (${digest}):`)
  for (const violation of violations) say(`  ${violation}`)
  say(`  replay: npm run sim -- --seed ${seed}${sabotage === 'none' ? '' : ` --sabotage ${sabotage}`}`)
}

/** Runs seeds in a row; with sabotage until one fails. Returns how many failed. */
async function runMany({ first, count, sabotage }: Wanted): Promise<number> {
  let failed = 0
  let calls = 0
  let manifests = 0
  let done = 0
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await runSeed(seed, { sabotage })
    calls += outcome.calls
    manifests += outcome.manifests
    done += 1
    if (outcome.violations.length > 0) {
      failed += 1
      tell(outcome, sabotage)
      if (sabotage !== 'none') break
    }
    progress(done, `${done} of ${count} seeds, ${failed} failed`)
  }
  const { user, system } = process.cpuUsage(before)
  const cpuMs = Math.round((user + system) / 1000 / done)
  say(`${done} seeds, ${failed} failed; ${calls} calls, ${manifests} manifests; ${cpuMs} ms CPU a seed`)
  return failed
}

async function replay(seed: number, sabotage: Sabotage): Promise<number> {
  const outcome = await runSeed(seed, { sabotage, print: say })
  const { violations, digest, calls, manifests, virtualMs } = outcome
  say(`trace ${digest}: ${calls} calls, ${manifests} manifests, ${virtualMs} ms of virtual time`)
  if (violations.length > 0) tell(outcome, sabotage)
  return violations.length
}

function numberOf(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${text} is not a number of seeds`)
  return value
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '300' },
    first: { type: 'string', default: '1' },
    sabotage: { type: 'string', default: 'none' },
    help: { type: 'boolean', default: false },
  },
})
const sabotage = sabotages.find(name => name === values.sabotage)
if (values.help || sabotage === undefined) {
  process.stderr.write(usage)
  process.exit(values.help ? 0 : 2)
}
await warmUp()
const before = process.cpuUsage()
const failures =
  values.seed === undefined
    ? await runMany({ first: numberOf(values.first), count: numberOf(values.seeds), sabotage })
    : await replay(numberOf(values.seed), sabotage)
process.exitCode = failures > 0 ? 1 : 0
