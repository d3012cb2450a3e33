import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newIngestKey } from '../bench/ingest-key.ts'
import { conformanceModules, conformanceSuites } from '../lanes/conformance.ts'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { freePort, isListening } from '../lanes/ports.ts'

// The official suite against its own test server: direct, observed in process and at its edge, and through the proxy. And against its own
// test client: as it is, and observed in process.

const subjects = fileURLToPath(new URL('../../../shared/data/mcp-conformance/', import.meta.url))
const sources = fileURLToPath(new URL('../../services/interceptor/src/', import.meta.url))
const muniment = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))
const suiteTimeoutMs = 180_000

const ingestKey = newIngestKey()
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

/** The server of the suite with one line more where it is made, and one where its application begins. */
function observed(source: string): string {
  const changed = source
    .replace('    return mcpServer;\n', '    return attach(mcpServer);\n')
    .replace('app.use(express.json());', 'app.use(observeExpress());\napp.use(express.json());')
  expect(changed.length).toBe(source.length + 'attach()'.length + 'app.use(observeExpress());\n'.length)
  const imports = [
    `import { attach } from '${sources}index.ts';`,
    `import { observeExpress } from '${sources}http.ts';`,
  ]
  return changed.replace('import ', `${imports.join('\n')}\nimport `)
}

async function serve(name: string, source: string): Promise<URL> {
  const file = join(folder, `${name}.ts`)
  writeFileSync(file, source)
  const port = await freePort()
  return await start([file], port, { PORT: String(port), MUNIMENT_HOME: join(folder, name) })
}

async function proxied(upstream: URL): Promise<URL> {
  const port = await freePort()
  const args = ['proxy', '--upstream', upstream.href, '--listen', `127.0.0.1:${port}`]
  return await start([muniment, ...args], port, { MUNIMENT_HOME: join(folder, 'proxy') })
}

/** What the suite says of each of its scenarios, without its ports and times. */
async function results(suite: string, args: readonly string[]): Promise<string[]> {
  const env = inherited({ MUNIMENT_HOME: join(folder, 'client'), MUNIMENT_INGEST_KEY: ingestKey })
  const child = spawn(process.execPath, [suite, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    cwd: folder,
    env,
  })
  started.push(child)
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return printed.split('\n').filter(line => /^[✓✗]|^Total/u.test(line))
}

/** The client of the suite, with names of files as Node wants them and its own class for `Client`. */
function clientSource(file: string, library: string): string {
  return readFileSync(join(subjects, file), 'utf8')
    .replaceAll(/from '(\.{1,2}\/[^']+)'/gu, "from '$1.ts'")
    .replace("from '@modelcontextprotocol/client'", `from '${library}'`)
}

const observedClient = `
import { Client as Plain } from '@modelcontextprotocol/client';
import { attach } from '${sources}index.ts';
export * from '@modelcontextprotocol/client';
export class Client extends Plain {
  constructor(...args) { super(...args); attach(this); }
}
`

/** The command of each client: as it is, and observed. */
function writeClients(): string[] {
  const helpers = ['conformanceOAuthProvider.ts', 'logger.ts', 'withOAuthRetry.ts']
  mkdirSync(join(folder, 'helpers'))
  for (const helper of helpers)
    writeFileSync(
      join(folder, 'helpers', helper),
      clientSource(`helpers/${helper}`, '@modelcontextprotocol/client'),
    )
  writeFileSync(join(folder, 'observed-library.js'), observedClient)
  return ['@modelcontextprotocol/client', './observed-library.js'].map((library, at) => {
    const file = join(folder, `client${at}.ts`)
    writeFileSync(file, clientSource('everythingClient.ts', library))
    return `${process.execPath} --experimental-transform-types --no-warnings ${file}`
  })
}

function clientOf(command: string): string[] {
  return ['client', '--command', command, '--suite', 'core']
}

const hasSubject = existsSync(subjects)
if (!hasSubject)
  process.stderr.write('skipped: conformance (its test programs are not beside this checkout)\n')

describeLanes(['conformance'], 'the official conformance suite', () => {
  let urls: readonly URL[] = []

  beforeAll(async () => {
    if (!hasSubject) return
    folder = await mkdtemp(join(tmpdir(), 'muniment-conformance-'))
    symlinkSync(conformanceModules(), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const source = readFileSync(join(subjects, 'everythingServer.ts'), 'utf8')
    const direct = await serve('direct', source)
    urls = [direct, await serve('observed', observed(source)), await proxied(direct)]
  })
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  test.skipIf(!hasSubject).each([
    ['0.2.0-alpha.12', ['--suite', 'all'], 40],
    ['0.1.16', [], 25],
  ])(
    '%s says the same of a server that is observed, and of one behind the proxy',
    async (...[version, more, least]) => {
      const suite = conformanceSuites()[version] ?? ''
      const runs = urls.map(({ href }) => results(suite, ['server', '--url', href, ...more]))
      const [direct = [], ...others] = await Promise.all(runs)
      expect(direct.filter(line => line.startsWith('✓')).length).toBeGreaterThan(least)
      expect(others).toEqual([direct, direct])
    },
    suiteTimeoutMs,
  )

  test.skipIf(!hasSubject)(
    'the suite says the same of a client that is observed',
    async () => {
      const [suite = ''] = Object.values(conformanceSuites())
      const [plain = '', observing = ''] = writeClients()
      // One after the other: the suite starts all its clients at once, and takes one that has no turn for one that fails.
      const direct = await results(suite, clientOf(plain))
      expect(direct.filter(line => line.startsWith('✓')).length).toBeGreaterThan(15)
      expect(await results(suite, clientOf(observing))).toEqual(direct)
      expect(existsSync(join(folder, 'client', 'spool'))).toBe(true)
    },
    suiteTimeoutMs,
  )
})
