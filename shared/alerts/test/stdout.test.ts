import { expect, test } from 'vitest'
import { openSink } from '../src/index.ts'
import { alert, notice } from './alerts.ts'

test('the stdout sink writes one line of JSON per alert', async () => {
  const lines: string[] = []
  const write = (line: string): Promise<void> => Promise.resolve(void lines.push(line))
  const sink = await openSink({ kind: 'stdout', write })
  await sink.deliver(notice(3), new AbortController().signal)
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([alert(3)])
  expect(lines[0]?.endsWith('}\n')).toBe(true)
})
