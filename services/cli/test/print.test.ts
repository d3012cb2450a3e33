import { expect, test } from 'vitest'
import { createPrinter, safe } from '../src/print.ts'
import { tableLines } from '../src/table.ts'
import { bytesText } from '../src/show-event.ts'
import { PassThrough } from 'node:stream'

test.each([
  ['an escape sequence', 'a\u001b[2Jb', 'a\\u001b[2Jb'],
  ['a line break', 'a\nb', 'a\\u000ab'],
  ['a direction override', 'a\u202eb', 'a\\u202eb'],
  ['ordinary text', 'Grüße 👋', 'Grüße 👋'],
])('%s of recorded data cannot rewrite the terminal', (_, given, shown) => {
  expect(safe(given)).toBe(shown)
})

test('a table aligns text left and numbers right', () => {
  expect(
    tableLines(
      ['name', 'n'],
      [
        ['a', 1],
        ['bcdef', 20],
      ],
    ),
  ).toEqual(['name    n', '─────  ──', 'a       1', 'bcdef  20'])
})

test.each([
  [999, '999 B'],
  [1500, '1.5 kB'],
  [25_000_000, '25 MB'],
])('%d bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text)
})

test.each([
  ['without a terminal nothing is painted', { env: {}, isTTY: false }, 'x'],
  ['on a terminal text is painted', { env: {}, isTTY: true }, '\u001b[31mx\u001b[0m'],
  ['with NO_COLOR nothing is painted', { env: { NO_COLOR: '1' }, isTTY: true }, 'x'],
])('%s', (_, { env, isTTY }, shown) => {
  const stream = Object.assign(new PassThrough(), { isTTY })
  const { style } = createPrinter(
    { stdin: new PassThrough(), stdout: stream, stderr: stream, env, signal: new AbortController().signal },
    false,
  )
  expect(style('red', 'x')).toBe(shown)
})
