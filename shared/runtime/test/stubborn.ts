// A process that runs one task until it is asked to stop; with `hang` the task never ends by itself.
import { setInterval } from 'node:timers'
import { createLogger, runService, type Task } from '../src/index.ts'

const mayEnd = process.argv[2] !== 'hang'
const task: Task = {
  async run(signal) {
    const alive = setInterval(() => undefined, 1000)
    await new Promise<void>(resolve => {
      signal.addEventListener('abort', () => {
        if (mayEnd) resolve()
      })
    })
    clearInterval(alive)
  },
}
const log = createLogger({ name: 'stubborn', level: 'info' })
process.exit(await runService({ name: 'stubborn', tasks: { task }, log, drainTimeoutMs: 500 }))
