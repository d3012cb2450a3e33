// What `muniment wrap` does, as a program of its own: node wrap-runner.ts <options as JSON> <command> [args …]
import { enforceDecisions } from '../src/guard/index.ts'
import { wrapStdio } from '../src/stdio.ts'

const [options = '{}', command = '', ...args] = process.argv.slice(2)
const { enforce, ...rest } = JSON.parse(options)
const guard = enforce === true ? { guard: enforceDecisions() } : {}
process.exitCode = await wrapStdio({ ...rest, ...guard, command, args }).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return 127
})
