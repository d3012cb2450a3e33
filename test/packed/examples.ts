// The examples as JavaScript in a folder that has the packages installed, laid out as in the repository.
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Those that run in the process of a server and need no Node newer than the interceptor does. */
const inProcess: readonly string[] = ['attach-v1', 'attach-v2', 'guard-mask', 'http-express', 'http-fetch']
const examples: readonly string[] = globSync('test/examples/*/main.ts', { cwd: root }).map(file =>
  dirname(file).slice('test/examples/'.length),
)

const options = [
  ['--ignoreConfig', '--noCheck', '--noResolve', '--rewriteRelativeImportExtensions', '--skipLibCheck'],
  ['--target', 'es2022', '--module', 'nodenext', '--types', 'node'],
].flat()

/** In place of `recorded.js` where the bus cannot be read: on a Node without SQLite another one reads it. */
const recordedElsewhere = `
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
const sinceMs = Date.now()
export async function recordedWhere(fits) {
  const args = [new URL('events.js', import.meta.url).pathname]
  const reader = spawn(process.env.READER, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: reader.stdout })) {
    const event = JSON.parse(line)
    // Another Node has run the same example before.
    if (Date.parse(event.time) < sinceMs || !fits(event)) continue
    reader.kill()
    return event
  }
  throw new Error('what was to be recorded was not')
}
export const recorded = (client, tool) => recordedWhere(event => event.client?.name === client && event.target === tool)
`
const everyEvent = `
import { recordedWhere } from '../../../test/examples/recorded.js'
await recordedWhere(event => {
  console.log(JSON.stringify(event))
  return false
})
`

/** Puts them below `test/examples`, and once more below `elsewhere`, with a reader beside them. */
export function putExamples(folder: string): void {
  const files = ['test/examples/*/main.ts', 'test/examples/recorded.ts', 'test/lanes/{environment,ports}.ts']
  const sources = files.flatMap(pattern => globSync(pattern, { cwd: root }))
  execFileSync('tsc', [...options, '--rootDir', root, '--outDir', folder, ...sources], {
    cwd: root,
    stdio: 'pipe',
  })
  mkdirSync(join(folder, 'services/cli'), { recursive: true })
  symlinkSync(join(folder, 'node_modules/@muniment/cli/bin'), join(folder, 'services/cli/bin'))
  const elsewhere = join(folder, 'elsewhere/test/examples')
  cpSync(join(folder, 'test/examples'), elsewhere, { recursive: true })
  writeFileSync(join(elsewhere, 'recorded.js'), recordedElsewhere)
  writeFileSync(join(elsewhere, 'events.js'), everyEvent)
}

/** What is typed to run each, on this Node and on the oldest one. */
export function exampleLines(
  oldest: string,
): readonly (readonly [name: string, major: number, line: string])[] {
  const elsewhere = `READER='${process.execPath}' '${oldest}' elsewhere/test/examples`
  return [
    ...examples.map(name => [name, 24, `node test/examples/${name}/main.js`] as const),
    ...inProcess.map(name => [name, 20, `${elsewhere}/${name}/main.js`] as const),
  ]
}
