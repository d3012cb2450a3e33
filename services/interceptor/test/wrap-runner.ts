// What `muniment wrap` does, as a program of its own: node wrap-runner.ts <options as JSON> <command> [args …]
import { wrapStdio } from '../src/stdio.ts'

const [options = '{}', command = '', ...args] = process.argv.slice(2)
process.exitCode = await wrapStdio({ ...JSON.parse(options), command, args }).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return 127
})
