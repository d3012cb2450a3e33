import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createMasker, detect } from '@muniment/pii'
import { bundle } from '../../infra/bundle.ts'
import type { Figure } from './figure.ts'
import { longestBlockMs } from './pii-huge.ts'
import { worstInput } from './pii-search.ts'

const corpus = new URL('../../../shared/data/pii/mcp_json_synth.jsonl', import.meta.url)

/** Tool results as the labelled corpus has them; where it is absent, a few made-up ones of the same shapes. */
function sampleTexts(): readonly string[] {
  if (!existsSync(corpus)) return Array.from({ length: 300 }, (_, seq) => madeUp(seq))
  const lines = readFileSync(corpus, 'utf8').split('\n')
  return lines.filter(line => line !== '').map(line => String(JSON.parse(line).text))
}

function madeUp(seq: number): string {
  const owner = {
    name: `Person ${seq}`,
    email: `person${seq}@example.com`,
    phone: `+1 415 555 ${1000 + seq}`,
  }
  const rows = Array.from({ length: 6 }, (_, row) => ({
    id: seq * 10 + row,
    state: 'open',
    note: prose.slice(row, 200),
    owner,
  }))
  return JSON.stringify({ total_count: 6, rows }, undefined, seq % 2 === 0 ? 2 : 0)
}

const prose =
  'the quick brown fox jumps over the lazy dog and writes a short report about it, which nobody reads; the other animals agree that this was to be expected. '

/** The text as the result of a `tools/call`. */
function resultOf(text: string, id: number): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }], isError: false } })
}

const rounds = 25

function wallMs(work: () => void): number {
  const before = performance.now()
  work()
  return performance.now() - before
}

/** Least wall time that each text takes: a few microseconds are seldom disturbed every time, however busy the machine is; a whole round always is. */
function leastMs(texts: readonly string[], works: readonly ((text: string) => unknown)[]): readonly number[] {
  const least = works.map(() => texts.map(() => Infinity))
  for (let round = 0; round < rounds; round++)
    for (const [k, work] of works.entries()) {
      const known = least[k] ?? []
      least[k] = texts.map((text, i) =>
        Math.min(
          known[i] ?? 0,
          wallMs(() => work(text)),
        ),
      )
    }
  return least.map(times => times.reduce((sum, ms) => sum + ms, 0))
}

/** How many times as fast `work` is as parsing the same texts, in turns, so that both meet the same machine. */
function againstParse(
  texts: readonly string[],
  work: (text: string) => unknown,
): { readonly ratio: number; readonly megabytesPerS: number } {
  const bytes = texts.reduce((sum, text) => sum + text.length, 0)
  const [parse = 0, least = 0] = leastMs(texts, [text => JSON.parse(text), work])
  return { ratio: parse / least, megabytesPerS: bytes / 1000 / least }
}

function compared(
  name: string,
  bar: number,
  speed: { readonly ratio: number; readonly megabytesPerS: number },
): readonly Figure[] {
  return [
    {
      name: `${name}, speed in JSON.parse`,
      value: speed.ratio,
      unit: '×',
      reference: bar,
      ratio: speed.ratio / bar,
    },
    { name, value: speed.megabytesPerS, unit: 'MB/s' },
  ]
}

interface Start {
  readonly ms: number
  readonly mebibytes: number
}

const door = fileURLToPath(new URL('../../shared/pii/src/index.ts', import.meta.url))

/** The package as its tarball has it. */
async function packedDoor(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'muniment-bench-pii-'))
  await bundle([door], folder)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  return join(folder, 'index.js')
}

/** CPU and memory of a process at the end of a program. */
function startOf(program: string): Start {
  const script = `${program}; const { user, system } = process.cpuUsage(); console.log((user + system) / 1000, process.memoryUsage.rss() / 1048576)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  })
  const [ms = 0, mebibytes = 0] = stdout.split(' ').map(Number)
  return { ms, mebibytes }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

async function startUp(): Promise<Start> {
  const packed = await packedDoor()
  const runs = Array.from({ length: 9 }, () => {
    const bare = startOf('')
    const loaded = startOf(
      `const { mask } = await import('${pathToFileURL(packed).href}'); mask('a@b.example')`,
    )
    return { ms: loaded.ms - bare.ms, mebibytes: loaded.mebibytes - bare.mebibytes }
  })
  rmSync(dirname(packed), { recursive: true, maxRetries: 10 })
  return { ms: median(runs.map(each => each.ms)), mebibytes: median(runs.map(each => each.mebibytes)) }
}

function atMost(name: string, unit: string, { value, bar }: { value: number; bar: number }): Figure {
  return { name, value, unit, reference: bar, ratio: value / bar }
}

/** Finding and masking personal data: speed against `JSON.parse` of the same texts, start-up, and the slowest text a search finds. */
export async function run(): Promise<readonly Figure[]> {
  const texts = sampleTexts()
  const results = texts.map(resultOf)
  const quiet = Array.from({ length: 200 }, (_, id) => resultOf(prose.repeat(1 + (id % 12)), id))
  const { mask } = createMasker()
  const start = await startUp()
  const worst = worstInput(detect)
  const mixed = `${prose}ada@example.com, 4111 1111 1111 1111; `
  const blockMs = await longestBlockMs(mixed.repeat(Math.ceil(10e6 / mixed.length)))
  return [
    ...compared('detect, MCP results', 0.4, againstParse(texts.filter(isJson), detect)),
    ...compared(
      'mask, whole tools/call results',
      0.3,
      againstParse(results, text => mask(text)),
    ),
    ...compared(
      'mask, results without candidates',
      1,
      againstParse(quiet, text => mask(text)),
    ),
    atMost('start-up, CPU', 'ms', { value: start.ms, bar: 30 }),
    atMost('start-up, memory', 'MiB', { value: start.mebibytes, bar: 20 }),
    atMost('slowest 50 KB that a search finds', 'ms', { value: worst.ms, bar: 5 }),
    atMost('masker, longest block on 10 MB in one string', 'ms', { value: blockMs, bar: 50 }),
  ]
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
