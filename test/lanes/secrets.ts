// A server of the Secrets Manager protocol for tests: moto, in memory, a process of its own.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { install, runProgram, toolPath, type Progress } from './cache.ts'
import { inherited } from './environment.ts'
import { freePort, isListening } from './ports.ts'
import { serverFolder, startServer, type Server } from './server.ts'

const version = '5.2.5'
const name = `moto-${version}`
const region = 'us-east-1'

/**
 * What differs from AWS: values live in memory, so `kill9` and `restart` lose them; a get without `VersionStage` or
 * `VersionId` returns the old value after a stage was moved; a wrong secret access key is accepted.
 */
export interface SecretsServer extends Server {
  readonly endpoint: string
  readonly region: string
  /** What a process that speaks Secrets Manager needs in its environment to reach this server and no other. */
  readonly env: Readonly<Record<string, string>>
}

/** Installs moto (about 140 MB) into a Python environment of its own unless the cache has it. */
export async function installSecrets(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: `moto ${version}: installing from PyPI (about 140 MB)`,
      make: async target => {
        await runProgram('python3', ['-m', 'venv', target])
        const packages = [`moto==${version}`, 'flask==3.1.3', 'flask-cors==6.0.5']
        const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
        await runProgram(join(target, 'bin/python'), pip)
      },
    },
    progress,
  )
}

/** Whether moto has been installed. */
export function isSecretsInstalled(): boolean {
  return existsSync(toolPath(name))
}

/** Starts an empty server; any credentials are accepted, those in `env` included. */
export async function startSecrets(): Promise<SecretsServer> {
  const folder = serverFolder('secrets')
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const server = await startServer({
    folder,
    // Not bin/moto_server: its first line names the folder it was installed in, before the cache renamed it.
    command: join(toolPath(name), 'bin/python'),
    args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
    env: inherited({ HOME: folder }),
    isReady: async () => await isListening(port),
  })
  return {
    ...server,
    endpoint,
    region,
    env: {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test-secret',
      AWS_REGION: region,
    },
  }
}
