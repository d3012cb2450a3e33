import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const program = fileURLToPath(new URL('stubborn.ts', import.meta.url))

async function runUntil(
  mode: string,
  signals: readonly NodeJS.Signals[],
): Promise<{ readonly code: unknown; readonly events: string[] }> {
  const child = spawn(process.execPath, [program, mode], { stdio: ['ignore', 'inherit', 'pipe'] })
  const events: string[] = []
  createInterface(child.stderr).on('line', line => {
    const { event }: { event: string } = JSON.parse(line)
    events.push(event)
    if (event === 'service.started') for (const signal of signals) child.kill(signal)
  })
  const [code]: unknown[] = await once(child, 'close')
  return { code, events }
}

describe('a process', () => {
  test.each([[['SIGTERM']], [['SIGINT']], [['SIGINT', 'SIGINT']]] as const)(
    'drains on %j and exits 0',
    async signals => {
      expect(await runUntil('drain', signals)).toEqual({
        code: 0,
        events: ['service.started', 'service.stopping', 'service.stopped'],
      })
    },
  )

  test('that hangs exits 1 after the drain timeout and says what hung', async () => {
    expect(await runUntil('hang', ['SIGTERM'])).toEqual({
      code: 1,
      events: ['service.started', 'service.stopping', 'service.cut_short'],
    })
  })
})
