import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { conformanceSuites } from '../lanes/conformance.ts'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'

// The scenarios `auth/*` of the official suite, with our provider in the official client of each line.

const program = fileURLToPath(import.meta.resolve('../fixtures/conformance-client.ts'))
const suiteTimeoutMs = 180_000

/** What the suite says of each scenario, and its exit code. */
async function suite(line: 'v1' | 'v2', ...args: readonly string[]) {
  const [official = ''] = Object.values(conformanceSuites())
  const folder = await mkdtemp(join(tmpdir(), 'muniment-conformance-'))
  const command = `${process.execPath} ${program} ${line}`
  const child = spawn(process.execPath, [official, 'client', '--command', command, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    cwd: folder,
    env: inherited({ TMPDIR: folder }),
  })
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  return { lines: printed.split('\n'), exitCode: child.exitCode }
}

function judged(lines: readonly string[], mark: '✓' | '✗'): readonly string[] {
  return lines.filter(line => line.startsWith(`${mark} auth/`))
}

describeLanes(['conformance'], 'the official scenarios of signing in', () => {
  test.each(['v1', 'v2'] as const)(
    'are passed with the client %s, all that the current revision has',
    async line => {
      const { lines } = await suite(line, '--suite', 'auth')
      expect(judged(lines, '✗')).toEqual([])
      expect(judged(lines, '✓').length).toBeGreaterThanOrEqual(14)
    },
    suiteTimeoutMs,
  )

  test(
    'are passed with the client v2, those of the next revision, too',
    async () => {
      const { lines } = await suite('v2', '--suite', 'draft')
      expect(judged(lines, '✗')).toEqual([])
      expect(judged(lines, '✓').length).toBeGreaterThanOrEqual(11)
    },
    suiteTimeoutMs,
  )

  // The other ones of the next revision end at a server that speaks to newer clients only.
  test.each([
    'resource-mismatch',
    'iss-supported-missing',
    'iss-wrong-issuer',
    'iss-unexpected',
    'iss-normalized',
    'metadata-issuer-mismatch',
  ])(
    'are passed with the client v1, which does not look at issuers itself: %s',
    async name => {
      const { exitCode } = await suite('v1', '--scenario', `auth/${name}`)
      expect(exitCode).toBe(0)
    },
    suiteTimeoutMs,
  )
})
