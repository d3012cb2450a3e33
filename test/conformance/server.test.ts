import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { freePort, isListening } from '../lanes/ports.ts'
import {
  ask,
  hasSubjects,
  openFolder,
  partsWith,
  passedIn,
  readSubject,
  sources,
  unlikeAlone,
  type Asking,
} from './suite.ts'

// The official suite against its own test server: direct, observed in process, at its edge, and through the proxy, with a guard and without.

const guards = fileURLToPath(new URL('guards.ts', import.meta.url))
const muniment = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))
const suiteTimeoutMs = 400_000

const started: ChildProcess[] = []
let folder = ''

async function start(args: readonly string[], port: number, env: Record<string, string>): Promise<URL> {
  const child = spawn(process.execPath, args, { stdio: 'ignore', env: inherited(env), cwd: folder })
  started.push(child)
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${args[0]} ended with ${child.exitCode}`)
    await sleep(50)
  }
  return new URL(`http://localhost:${port}/mcp`)
}

interface Observing {
  readonly imports?: readonly string[]
  /** What is given beside the server to whatever observes its messages; absent = nothing does. */
  readonly messages?: string
  /** What is given to its edge; absent = it is not observed. */
  readonly edge?: string
}

/** The server of the suite with one line more where it is made, and one where its application begins. */
function observed(source: string, { imports = [], messages, edge }: Observing): string {
  const made = messages === undefined ? 'mcpServer' : `attach(mcpServer${messages})`
  const app = edge === undefined ? '' : `app.use(observeExpress(${edge}));\n`
  const changed = source
    .replace('    return mcpServer;\n', `    return ${made};\n`)
    .replace('app.use(express.json());', `${app}app.use(express.json());`)
  expect(changed.length).toBe(source.length + made.length - 'mcpServer'.length + app.length)
  const all = [
    `import { attach } from '${sources}index.ts';`,
    `import { observeExpress } from '${sources}http.ts';`,
    ...imports,
  ]
  return changed.replace('import ', `${all.join('\n')}\nimport `)
}

/** Lines that make the guards of a program. */
function guardLines(policies: string): readonly string[] {
  return [
    `import { atDoor, beforeServer } from '${guards}';`,
    `const behind = { guard: beforeServer('${policies}') };`,
  ]
}

function guarded(source: string, policies: string): string {
  const imports = guardLines(policies)
  return observed(source, { imports, messages: ', behind', edge: '{ guard: atDoor }' })
}

/** The proxy with all parts, which the command has only for who shows a credential. */
function guardedProxy(upstream: URL, port: number, policies: string): string {
  return [
    `import { startProxy } from '${sources}proxy.ts';`,
    ...guardLines(policies),
    `const routes = [{ upstream: new URL('${upstream.href}') }];`,
    `await startProxy({ routes, port: ${port}, guard: [...atDoor, ...behind.guard] });`,
  ].join('\n')
}

async function serve(name: string, source: (port: number) => string): Promise<URL> {
  const file = join(folder, `${name}.ts`)
  const port = await freePort()
  writeFileSync(file, source(port))
  return await start([file], port, { PORT: String(port), MUNIMENT_HOME: join(folder, name) })
}

async function proxied(upstream: URL): Promise<URL> {
  const port = await freePort()
  const args = ['proxy', '--upstream', upstream.href, '--listen', `127.0.0.1:${port}`]
  return await start([muniment, ...args], port, { MUNIMENT_HOME: join(folder, 'proxy') })
}

const permitAll = '@id("all") permit (principal, action, resource);\n'
const forbidImage =
  '@id("no-images") forbid (principal, action, resource == Mcp::Tool::"test_image_content");\n'

describeLanes(['conformance'], 'the official conformance suite', () => {
  let direct: URL
  let same: readonly URL[] = []
  let permitting: readonly URL[] = []
  let refusing: readonly URL[] = []

  beforeAll(async () => {
    if (!hasSubjects) return
    folder = await openFolder()
    const source = readSubject('everythingServer.ts')
    direct = await serve('direct', () => source)
    const both = async (name: string, policy: string): Promise<URL[]> => {
      const policies = join(folder, `${name}.cedar`)
      writeFileSync(policies, policy)
      return await Promise.all([
        serve(`${name}-attach`, () => guarded(source, policies)),
        serve(`${name}-proxy`, port => guardedProxy(direct, port, policies)),
      ])
    }
    same = [
      await serve('attached', () => observed(source, { messages: '' })),
      await serve('edge', () => observed(source, { edge: '' })),
      await serve('observed', () => observed(source, { messages: '', edge: '' })),
      await proxied(direct),
    ]
    permitting = await both('permissive', permitAll)
    refusing = await both('refusing', `${permitAll}${forbidImage}`)
  })
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  describe.skipIf(!hasSubjects).each(partsWith('all'))('$version $args', part => {
    test(
      'says the same of a server that is attached, observed at its edge, behind the proxy, and with all parts of a guard; of a policy only what it refuses',
      async () => {
        // What the guards do hangs on no revision: they are asked where all scenarios are.
        const guarding = part.args.includes('--suite')
        const allowing = [...same, ...(guarding ? permitting : [])]
        const servers = [direct, ...allowing, ...(guarding ? refusing : [])].map(
          ({ href }): Asking =>
            async args =>
              await ask(part.version, ['server', '--url', href, ...args]),
        )
        const runs = await Promise.all(servers.map(server => server(part.args)))
        expect(Math.min(...runs.map(passedIn))).toBeGreaterThan(40)
        const unlike = await unlikeAlone(part, servers, runs)
        expect([...unlike.keys()]).toEqual(guarding ? ['tools-call-image'] : [])
        const [plain = '', ...others] = unlike.get('tools-call-image') ?? []
        const refused = refusing.map(() => expect.stringContaining('FAILURE'))
        expect(others).toEqual(guarding ? [...allowing.map(() => plain), ...refused] : [])
        expect(plain).not.toContain('FAILURE')
      },
      suiteTimeoutMs,
    )
  })
})
