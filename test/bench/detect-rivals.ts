/**
 * Compares the shipped pack with the rules of others on the labelled development set and prints the table of README.md:
 * `npx node test/bench/detect-rivals.ts [folder] [events]`. Rivals are installed into the folder, never into the repository. With all 12,373 events it
 * takes half an hour, nearly all of it in one rival; a number takes that many of them, in the scorer's shuffled order.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const data = fileURLToPath(new URL('../../../shared/data/abuse/', import.meta.url))
const adapters = fileURLToPath(new URL('detect-rival-adapters.ts', import.meta.url))

const names = [
  '@muniment/detector',
  'Agent Threat Rules, enforce',
  'Agent Threat Rules, hunt',
  'Cisco mcp-scanner, YARA',
]
const packages = ['agent-threat-rules@4.0.0']
const wheels = ['cisco-ai-mcp-scanner==4.8.7', 'yara-python==4.5.4']
/** Tests of one rival's rules: it would be judged by what it was made from. */
const without = 'atr-rule-tests'

function call(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr.slice(-500)}`)
}

function install(dir: string): void {
  mkdirSync(dir, { recursive: true })
  if (!existsSync(join(dir, 'package.json'))) writeFileSync(join(dir, 'package.json'), '{"private":true}')
  call('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', ...packages], dir)
  if (!existsSync(join(dir, 'venv'))) call('python3', ['-m', 'venv', 'venv'], dir)
  // The scanner's rules are wanted, not the hundred packages of its other analysers.
  call(join(dir, 'venv/bin/pip'), ['install', '--quiet', '--no-deps', ...wheels], dir)
}

/** Writes the module that the scorer takes. */
function moduleFor(name: string, dir: string): string {
  const path = join(dir, `${name.replaceAll(/[^a-z]+/giu, '-')}.mjs`)
  const opened = `openRival(${JSON.stringify(name)}, ${JSON.stringify(dir)}, ${JSON.stringify(`${path}.cpu.json`)})`
  writeFileSync(
    path,
    `import { openRival } from ${JSON.stringify(adapters)}\nexport const { classify } = await ${opened}\n`,
  )
  return path
}

function numberIn(path: string, key: string): number {
  const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const value = typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined
  if (typeof value !== 'number') throw new Error(`${path} has no number ${key}`)
  return value
}

function row(name: string, dir: string, first: readonly string[]): string {
  const module = moduleFor(name, dir)
  const [scores, costs] = [`${module}.json`, `${module}.cpu.json`]
  const args = [join(data, 'score.mjs'), '--detector', module, '--without', without, '--json', scores]
  call(process.execPath, [...args, ...first], dir)
  const share = (key: string): string => `${(100 * numberIn(scores, key)).toFixed(1)} %`
  const [events, cpuMs, worstMs] = ['events', 'cpuMs', 'worstMs'].map(key => numberIn(costs, key))
  const perSecond = ((events ?? 0) / (cpuMs ?? 0)) * 1000
  const cells = [
    name,
    share('recall'),
    share('macroRecall'),
    share('fpr'),
    share('recallAt01'),
    perSecond < 1000 ? perSecond.toFixed(0) : `${(perSecond / 1000).toFixed(1)} k`,
    (worstMs ?? 0).toFixed(0),
    numberIn(costs, 'givenUp'),
  ]
  return `| ${cells.join(' | ')} |`
}

function main(dir: string, events: string | undefined): void {
  if (!existsSync(data)) {
    process.stderr.write('The labelled sets are not here: there is nothing to compare on.\n')
    process.exitCode = 1
    return
  }
  install(dir)
  const head = [
    '',
    'recall',
    'macro recall',
    'false alarms',
    'recall at 0.1 %',
    'events per CPU-second',
    'worst event, CPU ms',
    'given up after 5 s',
  ]
  process.stdout.write(`| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}\n`)
  const first = events === undefined ? [] : ['--first', events]
  for (const name of names) process.stdout.write(`${row(name, dir, first)}\n`)
}

main(process.argv[2] ?? join(tmpdir(), 'muniment-detect-rivals'), process.argv[3])
