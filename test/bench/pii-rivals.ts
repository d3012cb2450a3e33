/**
 * Compares this package with others on the labelled development sets and prints the tables of its README:
 * `npx node test/bench/pii-rivals.ts [folder]`. Rivals are installed into the folder, never into the repository. Takes about half an hour;
 * with `--ours` first, nothing is installed and only this package is asked.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BySource, type Counts, sourceTable } from './pii-sources.ts'

const data = fileURLToPath(new URL('../../../shared/data/pii/', import.meta.url))
const adapters = fileURLToPath(new URL('rival-adapters.ts', import.meta.url))
const door = fileURLToPath(new URL('../../shared/pii/src/index.ts', import.meta.url))

const ours = '@muniment/pii'
const rivals = [
  'Presidio, regex layer',
  'OpenRedaction',
  'redact-pii',
  'LangChain middleware',
  'libphonenumber-js',
]
const packages = [
  'redact-pii@3.4.0',
  'openredaction@1.1.5',
  'langchain@1.5.14',
  '@langchain/core@1.4.0',
  'libphonenumber-js@1.13.16',
]
const presidio = 'presidio-analyzer==2.2.363'

function call(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr.slice(-500)}`)
}

function install(dir: string): void {
  if (!existsSync(join(dir, 'package.json'))) writeFileSync(join(dir, 'package.json'), '{"private":true}')
  call('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', ...packages], dir)
  if (!existsSync(join(dir, 'venv'))) call('python3', ['-m', 'venv', 'venv'], dir)
  call(join(dir, 'venv/bin/pip'), ['install', '--quiet', presidio], dir)
}

function slug(name: string): string {
  return name.replaceAll(/[^a-z]+/giu, '-')
}

/** Writes the module that the scorer takes. */
function moduleFor(name: string, dir: string): string {
  const path = join(dir, `${slug(name)}.mjs`)
  const source =
    name === ours
      ? `export { detect, mask } from ${JSON.stringify(door)}`
      : `import { openRival } from ${JSON.stringify(adapters)}\nexport const { detect, cpuMs } = openRival(${JSON.stringify(name)}, ${JSON.stringify(dir)})`
  writeFileSync(path, `${source}\n`)
  return path
}

interface Leaked {
  readonly chars: number
  readonly leak: number
}

interface Scores {
  readonly sets: BySource & {
    readonly mcp_json_synth: {
      readonly json: number
      readonly badjson: number
      readonly badinner: number
      readonly types: Readonly<Record<string, Counts & Leaked>>
    }
  }
  readonly negatives: Readonly<Record<string, { readonly mb: number; readonly core_per_mb: number }>>
  readonly total: { readonly macro: { readonly f2: number } }
}

function isScores(value: unknown): value is Scores {
  return (
    typeof value === 'object' && value !== null && 'sets' in value && 'negatives' in value && 'total' in value
  )
}

const core = ['EMAIL', 'PHONE', 'US_SSN', 'CREDIT_CARD', 'IP_ADDRESS', 'STREET_ADDRESS', 'PASSPORT', 'IBAN']

function score(module: string, dir: string): Scores {
  const json = `${module}.json`
  call(process.execPath, [join(data, 'score.mjs'), module, '--no-bench', `--json=${json}`], dir)
  const scores: unknown = JSON.parse(readFileSync(json, 'utf8'))
  if (!isScores(scores)) throw new Error('The scorer wrote something else.')
  return scores
}

const timed = `
const { detect, cpuMs = () => 0 } = await import(process.argv[1])
const used = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000 + cpuMs()
const { readFileSync } = await import('node:fs')
const texts = JSON.parse(readFileSync(0, 'utf8'))
await detect('warm up ada@example.org')
let least = Infinity
for (let round = 0; round < texts.rounds; round++) {
  const before = used()
  for (const text of texts.list) await detect(text)
  least = Math.min(least, used() - before)
  console.log(least)
}
process.exit(0)`

/** Most CPU seconds of one measurement. */
const limitS = 10

/** Least CPU time of some rounds for all of the texts, in milliseconds; `undefined` where the first round exceeds the limit. */
function timeOf(module: string, list: readonly string[], rounds: number): number | undefined {
  const limited = ['-c', `ulimit -t ${limitS}; exec "$0" "$@"`, process.execPath]
  const { stdout } = spawnSync('sh', [...limited, '--input-type=module', '--eval', timed, module], {
    input: JSON.stringify({ list, rounds }),
    encoding: 'utf8',
  })
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  return last === '' ? undefined : Number(last)
}

/** Pieces that one or another rival reads again and again, repeated to 50 KB. */
const hostile = [
  'a@a@',
  'a.a.',
  '1-1-',
  '1.1.',
  'passport ',
  '+1 ',
  '4111 ',
  '1:',
  '-----BEGIN ',
  'Old Mill Road ',
]

function worstMs(module: string): string {
  let worst = 0
  for (const piece of hostile) {
    const ms = timeOf(module, [piece.repeat(Math.ceil(50_000 / piece.length))], 5)
    if (ms === undefined) return `> ${limitS},000`
    worst = Math.max(worst, ms)
  }
  return worst < 10 ? worst.toFixed(1) : Math.round(worst).toLocaleString('en')
}

function speed(module: string): string {
  const lines = readFileSync(join(data, 'mcp_json_synth.jsonl'), 'utf8').split('\n').slice(0, 100)
  const texts = lines.map(line => String(JSON.parse(line).text))
  const ms = timeOf(module, texts, 15)
  const bytes = texts.reduce((sum, text) => sum + text.length, 0)
  return ms === undefined ? '–' : (bytes / 1000 / ms).toPrecision(2)
}

function row(name: string, module: string, { sets, negatives, total }: Scores): string {
  const { types, badjson, badinner, json } = sets.mcp_json_synth
  const counted = core.flatMap(type => types[type] ?? [])
  const leaked =
    counted.reduce((sum, { leak }) => sum + leak, 0) / counted.reduce((sum, { chars }) => sum + chars, 0)
  const files = Object.values(negatives)
  const size = files.reduce((sum, { mb }) => sum + mb, 0)
  const falsePerMb = files.reduce((sum, { mb, core_per_mb }) => sum + mb * core_per_mb, 0) / size
  const cells = [
    name,
    (100 * total.macro.f2).toFixed(1),
    `${(100 * leaked).toFixed(1)} %`,
    `${(100 * (badjson + badinner)) / json < 0.05 ? '0' : ((100 * (badjson + badinner)) / json).toFixed(1)} %`,
    falsePerMb.toFixed(1),
    speed(module),
    worstMs(module),
  ]
  return `| ${cells.join(' | ')} |`
}

const head = [
  '',
  'macro F2',
  'leaked, MCP JSON',
  'JSON broken',
  'false finds per MB',
  'MB per CPU-second',
  'worst of 50 KB, CPU ms',
]

function main(dir: string, names: readonly string[]): void {
  if (!existsSync(data)) {
    process.stderr.write('The labelled sets are not here: there is nothing to compare on.\n')
    process.exitCode = 1
    return
  }
  mkdirSync(dir, { recursive: true })
  if (names.length > 1) install(dir)
  process.stdout.write(`| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}\n`)
  let bySource: readonly string[] = []
  for (const name of names) {
    const module = moduleFor(name, dir)
    const scores = score(module, dir)
    if (name === ours) bySource = sourceTable(scores.sets)
    process.stdout.write(`${row(name, module, scores)}\n`)
  }
  process.stdout.write(`\n${ours} by source\n\n${bySource.join('\n')}\n`)
}

const args = process.argv.slice(2)
const isAlone = args[0] === '--ours'
main(args[isAlone ? 1 : 0] ?? join(tmpdir(), 'muniment-pii-rivals'), isAlone ? [ours] : [ours, ...rivals])
