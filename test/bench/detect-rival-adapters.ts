import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { classify, type Classification, type ContentEvent } from '@muniment/detector'

/** A verdict, and the CPU time that it took. */
export interface Judged extends Classification {
  readonly cpuMs: number
}

type Judge = (event: ContentEvent) => Judged | Promise<Judged>

/** No pattern needs longer for an honest reason: what is not judged by then counts as no alarm. */
const limitMs = 5_000
const loadMs = 120_000

function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

function ours(event: ContentEvent): Judged {
  const before = process.cpuUsage()
  const found = classify(event)
  const { user, system } = process.cpuUsage(before)
  return { ...found, cpuMs: (user + system) / 1000 }
}

interface Child {
  readonly process: ChildProcess
  readonly ask: (line: string) => Promise<string | undefined>
}

/** The next line, or nothing where it does not come in time. The timer keeps the process going while it waits, the child does not. */
async function nextLine(lines: Interface, ms: number): Promise<string | undefined> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), ms)
  try {
    const [line] = await once(lines, 'line', { signal: late.signal })
    return String(line)
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

async function start([file, ...args]: readonly [string, ...string[]]): Promise<Child> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = child
  for (const each of [child, stdin, stdout])
    if ('unref' in each && typeof each.unref === 'function') each.unref()
  const lines = createInterface({ input: stdout })
  // The first line says that all rules are loaded.
  if ((await nextLine(lines, loadMs)) === undefined) throw new Error(`${file} did not start`)
  return {
    process: child,
    ask: async line => {
      const answer = nextLine(lines, limitMs)
      stdin.write(`${line}\n`)
      return await answer
    },
  }
}

/** A program that answers each line with a line; one that hangs is ended and begun anew. */
async function asProgram(command: readonly [string, ...string[]]): Promise<Judge> {
  let child = await start(command)
  process.once('exit', () => child.process.kill())
  return async event => {
    const answer = await child.ask(JSON.stringify(event))
    if (answer !== undefined) {
      const judged: Judged = JSON.parse(answer)
      return judged
    }
    child.process.kill('SIGKILL')
    child = await start(command)
    return { score: 0, rules: [], cpuMs: limitMs }
  }
}

function judgeOf(name: string, dir: string): Judge | Promise<Judge> {
  if (name === '@muniment/detector') return ours
  if (name.includes('YARA')) return asProgram([join(dir, 'venv/bin/python'), beside('detect-rival-yara.py')])
  const lane = name.split(', ')[1] ?? 'hunt'
  return asProgram([process.execPath, beside('detect-rival-atr.ts'), dir, lane])
}

/** Opens a rival for the scorer; what it cost is written to a file at the end. */
export async function openRival(
  name: string,
  dir: string,
  costsFile: string,
): Promise<{ readonly classify: (event: ContentEvent) => Promise<Classification> }> {
  const judge = await judgeOf(name, dir)
  const costs = { events: 0, cpuMs: 0, worstMs: 0, givenUp: 0 }
  // The first event pays for what is compiled once.
  await judge({ kind: 'tool_args', text: 'warm up', arguments: { text: 'warm up' } })
  process.once('exit', () => writeFileSync(costsFile, JSON.stringify(costs)))
  return {
    classify: async event => {
      const judged = await judge(event)
      costs.events += 1
      costs.cpuMs += judged.cpuMs
      costs.worstMs = Math.max(costs.worstMs, judged.cpuMs)
      if (judged.cpuMs >= limitMs) costs.givenUp += 1
      return judged
    },
  }
}
