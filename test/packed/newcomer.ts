// A folder of somebody who has read the README and nothing else, and what he types there.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { inherited } from '../lanes/environment.ts'

interface Typed {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Newcomer extends AsyncDisposable {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** Types a line and waits for its end. */
  readonly type: (line: string) => Promise<Typed>
  /** Types a line, again until it ends well. */
  readonly untilFine: (line: string, isFine?: (typed: Typed) => boolean) => Promise<Typed>
  /** Types a line that goes on, and waits until what it tells fits. */
  readonly leave: (line: string, told: RegExp) => Promise<string>
}

const patienceMs = 60_000

/** As in a shell of his own: this Node, and no packages of this checkout. */
function environment(): Record<string, string> {
  const { PATH = '', ...rest } = inherited()
  const folders = PATH.split(delimiter).filter(folder => !folder.includes('node_modules'))
  return {
    ...rest,
    PATH: [dirname(process.execPath), ...folders].join(delimiter),
    MUNIMENT_HTTP_PORT: '0',
    npm_config_prefer_offline: 'true',
    npm_config_update_notifier: 'false',
  }
}

async function toldBy(child: ChildProcess, told: RegExp): Promise<string> {
  let seen = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
    })
  const endMs = Date.now() + patienceMs
  while (!told.test(seen)) {
    if (child.exitCode !== null || Date.now() > endMs) throw new Error(`not told: ${String(told)}\n${seen}`)
    await sleep(50)
  }
  return seen
}

/** Ends a shell with all it has started. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  process.kill(-child.pid, 'SIGTERM')
  await ended
}

/** An empty folder. */
export function newcomer(): Newcomer {
  const folder = mkdtempSync(join(tmpdir(), 'muniment-newcomer-'))
  const env = environment()
  const left: ChildProcess[] = []
  const type: Newcomer['type'] = async line => {
    const child = spawn('/bin/sh', ['-c', line], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { code: child.exitCode, stdout, stderr }
  }
  return {
    folder,
    env,
    type,
    untilFine: async (line, isFine = () => true) => {
      for (const endMs = Date.now() + patienceMs; ; await sleep(500)) {
        const typed = await type(line)
        if (typed.code === 0 && isFine(typed)) return typed
        if (Date.now() > endMs)
          throw new Error(`${line} ended with ${typed.code}:\n${typed.stdout}${typed.stderr}`)
      }
    },
    leave: async (line, told) => {
      const child = spawn('/bin/sh', ['-c', line], { cwd: folder, env, detached: true })
      left.push(child)
      return await toldBy(child, told)
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of left.toReversed()) await end(child)
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

export interface Block {
  readonly language: string
  readonly text: string
}

/** The blocks of a document. */
export function blocksOf(document: URL): readonly Block[] {
  const found = readFileSync(document, 'utf8').matchAll(/^```(?<language>\w*)\n(?<text>.*?)^```$/gmsu)
  return Array.from(found, ({ groups: { language = '', text: body = '' } = {} }) => ({
    language,
    text: body,
  }))
}

/** The lines of a shell, without what they say of themselves. */
export function linesIn({ text: body }: Block): readonly string[] {
  const lines = body.split('\n').map(line => line.replace(/ +#.*$/u, ''))
  return lines.filter(line => line !== '')
}
