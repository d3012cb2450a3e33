import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { inherited } from '../lanes/environment.ts'
import { serverFolder } from '../lanes/server.ts'
import { linesOf, muniment } from './installation.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const bootstrap = fileURLToPath(import.meta.resolve('../../infra/bootstrap.mjs'))
const demo = z.object({
  calls: z.number(),
  kinds: z.record(z.string(), z.number()),
  leaked: z.array(z.string()),
  alerts: z.array(z.unknown()),
  report: z.object({ ok: z.boolean(), anchored: z.object({ isSignatureChecked: z.boolean() }) }),
})

/** The Node that the machine has, not the one that the repository brings. */
function machineNode(): { readonly file: string; readonly major: number } | undefined {
  const folders = (inherited()['PATH'] ?? '')
    .split(delimiter)
    .filter(folder => !folder.includes('node_modules'))
  const file = folders.map(folder => join(folder, 'node')).find(existsSync)
  if (file === undefined) return undefined
  const version = execFileSync(file, ['--version'], { encoding: 'utf8' })
  return { file, major: Number.parseInt(version.slice(1), 10) }
}

interface Ended {
  readonly code: unknown
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program in a fresh home until it ends; `onErrorText` may end it earlier. */
async function run(
  command: readonly [string, ...string[]],
  onErrorText: (text: string, interrupt: () => void) => void = () => undefined,
): Promise<Ended> {
  const home = serverFolder('home')
  const [file, ...args] = command
  const env = inherited({ MUNIMENT_HOME: home, MUNIMENT_HTTP_PORT: '0' })
  const child = spawn(file, args, { cwd: root, env, timeout: 170_000, killSignal: 'SIGKILL' })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => void (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    onErrorText(stderr, () => void child.kill('SIGINT'))
  })
  const [code] = await once(child, 'close')
  rmSync(home, { recursive: true, force: true, maxRetries: 10 })
  return { code, stdout, stderr }
}

describe('the two commands', () => {
  const node = machineNode()
  const isOld = node !== undefined && node.major >= 20 && node.major < 24

  test.skipIf(!isOld)(
    `npm start -- --once works on the machine's own Node (${node?.major ?? 'none'})`,
    async () => {
      const ended = await run([node?.file ?? '', bootstrap, 'up', '--demo', '--once', '--json'])
      expect(ended.code).toBe(0)
      const [found] = linesOf(ended, demo)
      expect(found).toMatchObject({
        leaked: [],
        report: { ok: true, anchored: { isSignatureChecked: true } },
      })
      expect(Object.keys(found?.kinds ?? {}).length).toBeGreaterThanOrEqual(7)
      expect(found?.alerts.length).toBeGreaterThan(0)
    },
    180_000,
  )

  test('up tells how to go on, and Ctrl-C ends it with exit code 0', async () => {
    const ended = await run([process.execPath, muniment, 'up'], (text, interrupt) => {
      if (text.includes('muniment verify')) interrupt()
    })
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/npx muniment wrap -- <command>/u)
  }, 60_000)

  test('npm start shows a person what was done and what to try next', async () => {
    const ended = await run([process.execPath, bootstrap, 'up', '--demo', '--once'])
    expect(ended.code).toBe(0)
    for (const part of [
      /\d+ calls to three MCP servers/u,
      /Masked: .*EMAIL/u,
      /✔ None of the planted/u,
      /\d+ alerts/u,
      /Archive/u,
      /✔ Nothing altered/u,
      /Try next:(?:\n +(?:npx muniment|npm start).*){3}/u,
    ])
      expect(ended.stderr).toMatch(part)
  }, 180_000)
})
