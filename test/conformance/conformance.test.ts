import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { conformanceModules, conformanceSuites } from '../lanes/conformance.ts'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { freePort, isListening } from '../lanes/ports.ts'

// The official suite against its own test server: direct, observed in process and at its edge, and through the proxy.

const subject = fileURLToPath(
  new URL('../../../shared/data/mcp-conformance/everythingServer.ts', import.meta.url),
)
const sources = fileURLToPath(new URL('../../services/interceptor/src/', import.meta.url))
const muniment = fileURLToPath(import.meta.resolve('../../services/cli/bin/muniment.mjs'))
const suiteTimeoutMs = 180_000

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
async function results(suite: string, url: URL, more: readonly string[]): Promise<string[]> {
  const args = [suite, 'server', '--url', url.href, ...more]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], cwd: folder })
  started.push(child)
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return printed.split('\n').filter(line => /^[✓✗]|^Total/u.test(line))
}

const hasSubject = existsSync(subject)
if (!hasSubject) process.stderr.write('skipped: conformance (its test server is not beside this checkout)\n')

describeLanes(['conformance'], 'the official conformance suite', () => {
  let urls: readonly URL[] = []

  beforeAll(async () => {
    if (!hasSubject) return
    folder = await mkdtemp(join(tmpdir(), 'muniment-conformance-'))
    symlinkSync(conformanceModules(), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const source = readFileSync(subject, 'utf8')
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
      const [direct = [], ...others] = await Promise.all(urls.map(url => results(suite, url, more)))
      expect(direct.filter(line => line.startsWith('✓')).length).toBeGreaterThan(least)
      expect(others).toEqual([direct, direct])
    },
    suiteTimeoutMs,
  )
})
