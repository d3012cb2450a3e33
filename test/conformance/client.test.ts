import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newIngestKey } from '../bench/ingest-key.ts'
import { describeLanes } from '../lanes/lanes.ts'
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
  type Said,
} from './suite.ts'

// The official suite against its own test client: as it is, observed in process, and through the proxy.

const suiteTimeoutMs = 600_000
// Of each scenario: the suite starts all its clients at once, and takes one that has no turn for one that fails.
const patience = ['--timeout', '120000']
const ingestKey = newIngestKey()
let folder = ''

const library = '@modelcontextprotocol/client'
const helpers = ['conformanceOAuthProvider.ts', 'logger.ts', 'withOAuthRetry.ts']

/** A program of the suite, with names of files as Node wants them and another library where it has its `Client` from. */
function written(file: string, from: string): string {
  return readSubject(file)
    .replaceAll(/from '(\.{1,2}\/[^']+)'/gu, "from '$1.ts'")
    .replace(`from '${library}'`, `from '${from}'`)
}

const observedLibrary = `
import { Client as Plain } from '${library}';
import { attach } from '${sources}index.ts';
export * from '${library}';
export class Client extends Plain {
  constructor(...args) { super(...args); attach(this); }
}
`

// The proxy stands under the public name of its server, as metadata of protected resources (RFC 9728) demands; only the way there differs.
const throughProxy = `
import { startProxy } from '${sources}proxy.ts';
const upstream = new URL(process.argv[2]);
const routes = [{ upstream: new URL(upstream.origin) }];
const { url } = await startProxy({ routes, publicOrigin: upstream.origin });
const { fetch } = globalThis;
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const { origin, pathname, search } = new URL(request.url);
  return await fetch(origin === upstream.origin ? new Request(new URL(pathname + search, url), request) : request);
};
`

/** The command of each client: as it is, observed, and through the proxy. */
function writeClients(): readonly string[] {
  mkdirSync(join(folder, 'helpers'))
  for (const helper of helpers)
    writeFileSync(join(folder, 'helpers', helper), written(`helpers/${helper}`, library))
  writeFileSync(join(folder, 'observed-library.js'), observedLibrary)
  writeFileSync(join(folder, 'through-proxy.js'), throughProxy)
  writeFileSync(join(folder, 'plain.ts'), written('everythingClient.ts', library))
  writeFileSync(join(folder, 'observed.ts'), written('everythingClient.ts', './observed-library.js'))
  const run = `${process.execPath} --experimental-transform-types --no-warnings`
  return [
    `${run} ${join(folder, 'plain.ts')}`,
    `${run} ${join(folder, 'observed.ts')}`,
    `${run} --import ${join(folder, 'through-proxy.js')} ${join(folder, 'plain.ts')}`,
  ]
}

/** Asks a line of the suite about a client that observes into `home`. */
function asking(version: string, command: string, home: string): Asking {
  const env = {
    MUNIMENT_HOME: home,
    MUNIMENT_INGEST_KEY: ingestKey,
    // Hundreds of these programs start: what the first compiled serves the others.
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
  }
  return async args => await ask(version, ['client', '--command', command, ...patience, ...args], env)
}

// The requirements leave out SEP-2640 too, which the client of the suite does not know.
const parts = partsWith('backcompat')

describeLanes(['conformance'], 'the official conformance suite', () => {
  let commands: readonly string[] = []
  beforeAll(async () => {
    if (!hasSubjects) return
    folder = await openFolder()
    commands = writeClients()
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  describe.skipIf(!hasSubjects).each(parts)('$version $args', part => {
    test(
      'says the same of a client that is observed and of one behind the proxy',
      async () => {
        const home = await mkdtemp(join(folder, 'home-'))
        const clients = commands.map((command, at) => asking(part.version, command, join(home, String(at))))
        const runs: Said[] = []
        for (const client of clients) runs.push(await client(part.args))
        for (const said of runs) expect(passedIn(said)).toBeGreaterThan(5 * said.size)
        expect(await unlikeAlone(part, clients, runs)).toEqual(new Map())
        const observing = commands.map((_, at) => existsSync(join(home, String(at), 'spool')))
        expect(observing).toEqual([false, true, true])
      },
      suiteTimeoutMs,
    )
  })
})
