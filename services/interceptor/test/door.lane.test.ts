import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { programEnv } from './support.ts'

const run = promisify(execFile)

/** The packages of which a program loads code that imports this door. */
async function packagesBehind(door: string): Promise<string[]> {
  const program = `
    import { registerHooks } from 'node:module'
    const names = new Set()
    registerHooks({
      load(url, context, next) {
        const name = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(url)?.[1]
        names.add(name ?? url.replace(/:.*/, ''))
        return next(url, context)
      },
    })
    await import(${JSON.stringify(door)})
    process.stdout.write(JSON.stringify([...names].sort()))`
  const args = ['--input-type=module', '-e', program]
  const { stdout } = await run(process.execPath, args, { cwd: import.meta.dirname, env: programEnv })
  return JSON.parse(stdout)
}

test.each(['@muniment/interceptor', '@muniment/interceptor/http', '@muniment/interceptor/proxy'])(
  'importing %s loads no MCP SDK, framework, Kafka, AWS or logging client',
  async door => {
    expect(await packagesBehind(door)).toEqual(['file', 'node', 'zod'])
  },
)
