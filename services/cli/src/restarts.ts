import {
  isOutage,
  retryWhileUnreachable,
  systemClock,
  type Clock,
  type Logger,
  type Task,
} from '@muniment/runtime'

/** A task that ran for as long as this has shown that its settings are right. */
const provenAfterMs = 10_000

interface RestartOptions {
  readonly log: Logger
  readonly clock?: Clock
}

function withRestart(task: Task, { log, clock = systemClock }: RestartOptions): Task {
  async function run(signal: AbortSignal): Promise<void> {
    let isProven = false
    const attempt = async (): Promise<void> => {
      const beginMs = clock.monotonicMs()
      try {
        await task.run(signal)
      } catch (error) {
        isProven ||= clock.monotonicMs() - beginMs >= provenAfterMs
        if (isProven || !isOutage(error)) throw error
        throw new Unproven(error)
      }
    }
    try {
      await retryWhileUnreachable(attempt, { signal, log })
    } catch (error) {
      if (signal.aborted && isOutage(error)) return
      throw error instanceof Unproven ? error.cause : error
    }
  }
  return { run }
}

/** Carries a failure past the retries. */
class Unproven extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause })
  }
}

/**
 * Tasks that are begun again for as long as a dependency cannot be reached or a disk cannot be written: they go on from durable state, so an outage is ridden out in the process.
 * A task that never ran for ten seconds is not begun again: where nothing was ever reached, the start must fail.
 */
export function withRestarts(
  tasks: Readonly<Record<string, Task>>,
  options: RestartOptions,
): Readonly<Record<string, Task>> {
  const entries = Object.entries(tasks).map(([name, task]): [string, Task] => [
    name,
    withRestart(task, options),
  ])
  return Object.fromEntries(entries)
}
