import { createLogger, type Task } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { expect, test } from 'vitest'
import { withRestarts } from '../src/restarts.ts'

const unreachable = new AppError('DEPENDENCY_UNREACHABLE', 'the broker is away')

interface Rig {
  readonly task: Task
  readonly runs: () => number
}

/** A task whose runs last as long as `lengthsMs` say; each but the last ends with `error`. */
function createRig(lengthsMs: readonly number[], error: Error = unreachable): Rig {
  let [nowMs, runs] = [0, 0]
  const task: Task = {
    run: async () => {
      nowMs += lengthsMs[runs] ?? 0
      runs += 1
      if (runs < lengthsMs.length) throw error
    },
  }
  const log = createLogger({ name: 'test', level: 'silent' })
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  const { steady = task } = withRestarts({ steady: task }, { log, clock })
  return { task: steady, runs: () => runs }
}

const signal = new AbortController().signal

test('a task that has worked is begun again while a dependency is away', async () => {
  const { task, runs } = createRig([60_000, 0, 0, 60_000])
  await task.run(signal)
  expect(runs()).toBe(4)
})

test('a task that never reached what it needs fails at once, with its reason', async () => {
  const { task, runs } = createRig([50, 50])
  await expect(task.run(signal)).rejects.toBe(unreachable)
  expect(runs()).toBe(1)
})

test('any other failure ends it, however long it has worked', async () => {
  const broken = new AppError('ARCHIVE_DAMAGED', 'the log contradicts itself')
  const { task, runs } = createRig([60_000, 0], broken)
  await expect(task.run(signal)).rejects.toBe(broken)
  expect(runs()).toBe(1)
})

test('a stop during an outage is a stop, not a failure', async () => {
  const stop = new AbortController()
  stop.abort()
  const { task } = createRig([60_000, 0])
  await expect(task.run(stop.signal)).resolves.toBeUndefined()
})
