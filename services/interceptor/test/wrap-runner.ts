// What `muniment wrap` does, as a program of its own: node wrap-runner.ts <options as JSON> <command> [args …]
import { enforceDecisions, maskBeforeModel } from '../src/guard/index.ts'
import { wrapStdio } from '../src/stdio.ts'

const [options = '{}', command = '', ...args] = process.argv.slice(2)
const { enforce, mask, ...rest } = JSON.parse(options)
const parts = [
  ...(enforce === true ? [enforceDecisions()] : []),
  ...(mask === true ? [maskBeforeModel()] : []),
]
const guard = parts.length > 0 ? { guard: parts } : {}
process.exitCode = await wrapStdio({ ...rest, ...guard, command, args }).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return 127
})
