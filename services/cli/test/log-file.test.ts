import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLogFile } from '../src/log-file.ts'

test('appends lines to a file that only its owner may read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'muniment-log-'))
  const path = join(folder, 'up.log')
  for (const line of ['one\n', 'two\n']) {
    using file = openLogFile(path, expect.unreachable)
    file.write(line)
  }
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  rmSync(folder, { recursive: true, maxRetries: 10 })
})

test.runIf(existsSync('/dev/full'))('tells once that the disk is full, and throws nothing', () => {
  const problems: string[] = []
  using file = openLogFile('/dev/full', reason => problems.push(reason))
  for (let times = 0; times < 3; times++) file.write('lost\n')
  expect(problems).toEqual(['ENOSPC'])
})
