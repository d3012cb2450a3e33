import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { AppError } from '@muniment/schema'
import { createLogger, runService, type ServiceOptions, type Task } from '../src/index.ts'

interface World {
  readonly options: Pick<ServiceOptions, 'name' | 'log' | 'drainTimeoutMs' | 'signals' | 'clock'>
  readonly signals: EventEmitter
  readonly events: () => string[]
  readonly logged: (event: string) => Promise<Readonly<Record<string, unknown>>>
  pass: (ms: number) => void
}

function world(drainTimeoutMs = 60_000): World {
  let nowMs = 0
  const signals = new EventEmitter()
  const lines: Readonly<Record<string, unknown>>[] = []
  const arrived = new EventEmitter()
  const destination = {
    write: (line: string) => {
      lines.push(JSON.parse(line))
      arrived.emit('line')
    },
  }
  const find = (event: string): Readonly<Record<string, unknown>> | undefined =>
    lines.find(line => line['event'] === event)
  return {
    signals,
    options: {
      name: 'test',
      log: createLogger({ name: 'test', level: 'info', destination }),
      drainTimeoutMs,
      signals,
      clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    },
    events: () => lines.map(line => String(line['event'])),
    async logged(event) {
      for (;;) {
        const line = find(event)
        if (line !== undefined) return line
        await new Promise(resolve => arrived.once('line', resolve))
      }
    },
    pass: ms => {
      nowMs += ms
    },
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise(resolve => {
    signal.addEventListener('abort', resolve, { once: true })
  })
}

/** Runs until it is asked to stop, then until `release` is called. */
function stubborn(): {
  readonly task: Task
  readonly release: () => void
  readonly asked: Promise<undefined>
} {
  const released = Promise.withResolvers<undefined>()
  const asked = Promise.withResolvers<undefined>()
  return {
    asked: asked.promise,
    release: () => {
      released.resolve(undefined)
    },
    task: {
      async run(signal) {
        await aborted(signal)
        asked.resolve(undefined)
        await released.promise
      },
    },
  }
}

const patient: Task = { run: aborted }

describe('a service', () => {
  test.each(['SIGTERM', 'SIGINT'])('drains on %s and exits 0', async name => {
    const { options, signals, events } = world()
    const { task, release, asked } = stubborn()
    const code = runService({ ...options, tasks: { task, patient } })
    signals.emit(name, name)
    await asked
    expect(events()).not.toContain('service.stopped')
    release()
    expect(await code).toBe(0)
    expect(events()).toEqual(['service.started', 'service.stopping', 'service.stopped'])
    expect(signals.listenerCount(name)).toBe(0)
  })

  test('takes a second signal within a second for the same wish, a later one for impatience', async () => {
    const { options, signals, pass, logged } = world()
    const { task, asked } = stubborn()
    const code = runService({ ...options, tasks: { task } })
    signals.emit('SIGINT', 'SIGINT')
    pass(900)
    signals.emit('SIGINT', 'SIGINT')
    await asked
    pass(200)
    signals.emit('SIGTERM', 'SIGTERM')
    expect(await code).toBe(1)
    expect(await logged('service.cut_short')).toMatchObject({ tasks: ['task'] })
  })

  test('is cut short after the drain timeout', async () => {
    const { options, signals, logged } = world(1)
    const { task } = stubborn()
    const code = runService({ ...options, tasks: { task } })
    signals.emit('SIGTERM', 'SIGTERM')
    expect(await code).toBe(1)
    expect((await logged('service.cut_short'))['reason']).toContain('1 ms')
  })

  test.each([
    ['CONFIG_INVALID' as const, 2],
    ['SECRET_MISSING' as const, 2],
    ['DEPENDENCY_UNREACHABLE' as const, 3],
    ['ARCHIVE_DAMAGED' as const, 1],
  ])('stops all tasks when one fails; %s exits %i', async (errorCode, exitCode) => {
    const { options, logged } = world()
    const failing: Task = { run: async () => await Promise.reject(new AppError(errorCode, 'It broke.')) }
    expect(await runService({ ...options, tasks: { failing, patient } })).toBe(exitCode)
    expect(await logged('service.task_failed')).toMatchObject({ task: 'failing', error: { code: errorCode } })
  })

  test('ends by itself when its tasks do, and on the signal it was given', async () => {
    const { options } = world()
    const done: Task = { run: async () => await Promise.resolve() }
    expect(await runService({ ...options, tasks: { done } })).toBe(0)
    const aborter = new AbortController()
    const code = runService({ ...options, tasks: { patient }, signal: aborter.signal })
    aborter.abort()
    expect(await code).toBe(0)
    expect(await runService({ ...options, tasks: { patient }, signal: AbortSignal.abort() })).toBe(0)
  })

  test('is ready while every task runs, and not while it drains; its metrics are served', async () => {
    const { options, signals, logged } = world()
    const { task, release, asked } = stubborn()
    const http = { host: '127.0.0.1', port: 0 }
    const code = runService({ ...options, tasks: { task }, http, checks: { bus: () => undefined } })
    const { url } = await logged('service.health')
    const ready = await fetch(`${String(url)}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { ready: true, checks: { bus: 'ok', service: 'ok', tasks: 'ok' } },
    ])
    expect(await (await fetch(`${String(url)}/metrics`)).text()).toContain('process_resident_memory_bytes')
    signals.emit('SIGTERM', 'SIGTERM')
    await asked
    const draining = await fetch(`${String(url)}/readyz`)
    expect([draining.status, await draining.json()]).toMatchObject([503, { checks: { service: 'stopping' } }])
    release()
    expect(await code).toBe(0)
    await expect(fetch(`${String(url)}/livez`)).rejects.toThrow()
  })

  test('whose port is taken stops its tasks and exits 2', async () => {
    const [one, two] = [world(), world()]
    const first = runService({ ...one.options, tasks: { patient }, http: { host: '127.0.0.1', port: 0 } })
    const { url } = await one.logged('service.health')
    const http = { host: '127.0.0.1', port: Number(new URL(String(url)).port) }
    expect(await runService({ ...two.options, tasks: { patient }, http })).toBe(2)
    one.signals.emit('SIGINT', 'SIGINT')
    expect(await first).toBe(0)
  })

  test('makes files that only their owner can read', async () => {
    const { options } = world()
    await runService({ ...options, tasks: {} })
    expect(process.umask()).toBe(0o077)
  })
})
