import { describe, expect, test } from 'vitest'
import { AppError } from '@muniment/schema'
import { createLogger, retryWhileUnreachable } from '../src/index.ts'

const unreachable = new AppError('DEPENDENCY_UNREACHABLE', 'No answer.')
const full = new AppError('DISK_UNUSABLE', 'No space.')

function world(): { readonly log: ReturnType<typeof createLogger>; readonly lines: string[] } {
  const lines: string[] = []
  return {
    log: createLogger({ name: 'test', level: 'info', destination: { write: line => lines.push(line) } }),
    lines,
  }
}

describe('retrying while unreachable', () => {
  test.each([
    ['a dependency answers', unreachable],
    ['a disk can be written', full],
  ])('goes on until %s, and logs each failure', async (_, outage) => {
    const { log, lines } = world()
    let attempts = 0
    const attempt = async (): Promise<string> => {
      attempts += 1
      return attempts < 3 ? await Promise.reject(outage) : 'done'
    }
    const { signal } = new AbortController()
    expect(await retryWhileUnreachable(attempt, { signal, log, maxPauseMs: 1 })).toBe('done')
    expect(attempts).toBe(3)
    expect(lines).toHaveLength(2)
    expect(lines[0]).toContain('"event":"dependency.unreachable"')
  })

  test('rejects at once with any other failure', async () => {
    const { log, lines } = world()
    const refused = new AppError('STORE_REFUSED', 'No.')
    const { signal } = new AbortController()
    const outcome = retryWhileUnreachable(async () => await Promise.reject(refused), { signal, log })
    await expect(outcome).rejects.toBe(refused)
    expect(lines).toEqual([])
  })

  test('rejects with the last failure when it is to stop, also in a pause', async () => {
    const { log } = world()
    const aborter = new AbortController()
    const attempt = async (): Promise<never> => {
      queueMicrotask(() => {
        aborter.abort()
      })
      return await Promise.reject(unreachable)
    }
    await expect(retryWhileUnreachable(attempt, { signal: aborter.signal, log })).rejects.toBe(unreachable)
  })
})
