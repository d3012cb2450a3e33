import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

// Labelled corpora with their scorers; they lie beside the repository where somebody put them.
const data = new URL('../../../../shared/data/', import.meta.url)
const hasData = existsSync(data)
const door = new URL('../src/index.ts', import.meta.url)
const run = promisify(execFile)

async function score(set: string, module: string, args: readonly string[]): Promise<string> {
  const scorer = fileURLToPath(new URL(`${set}/score.mjs`, data))
  const { stdout } = await run(process.execPath, [scorer, '--detector', module, ...args], {
    maxBuffer: 1 << 24,
  })
  return stdout
}

function figure(output: string, pattern: RegExp): number {
  return Number(pattern.exec(output)?.[1])
}

function shareOf(output: string, label: string, name: string): number {
  return figure(output, new RegExp(`^ *([\\d.]+) +\\d+/\\d+ +${label} +${name}$`, 'mu'))
}

const payloads = ['sqli', 'nosqli', 'command_injection', 'path_traversal', 'ssrf', 'ssti', 'xss']

test.skipIf(!hasData)(
  'the abuse corpus is told from harmless calls as measured (skipped where it is absent)',
  async () => {
    const output = await score('abuse', fileURLToPath(door), ['--without', 'atr-rule-tests'])
    expect(figure(output, /macro over classes: recall +([\d.]+)/u)).toBeGreaterThan(80)
    expect(figure(output, /FPR +([\d.]+) +\|/u)).toBeLessThan(0.6)
    expect(figure(output, /at 0\.1 % FPR +([\d.]+)/u)).toBeGreaterThan(35)
    for (const name of payloads) expect(shareOf(output, 'attack', name), name).toBeGreaterThan(90)
    for (const name of ['shell_command', 'sql', 'url', 'path'])
      expect(shareOf(output, 'benign', name)).toBeLessThan(0.5)
    expect(shareOf(output, 'benign', 'trigger_word_benign')).toBeLessThan(2)
  },
  120_000,
)

test.skipIf(!hasData)(
  'the NAB series reach the standard score measured (skipped where they are absent)',
  async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'muniment-nab-'))
    const module = join(folder.path, 'detector.mjs')
    // The scorer offers the range of the whole file, which a stream does not have.
    const source = `export const usesRange = false\nexport { createAnomalyDetector as createDetector } from ${JSON.stringify(door.href)}\n`
    await writeFile(module, source)
    const output = await score('nab', module, [])
    expect(figure(output, /^standard: score ([\d.]+)/mu)).toBeGreaterThan(63)
  },
  120_000,
)
