// The services of docker-compose.yml as plain processes on loopback: the same programs, settings, users and rights.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runProgram } from '../lanes/cache.ts'
import { inherited } from '../lanes/environment.ts'
import { freePort } from '../lanes/ports.ts'
import { startS3, type S3Server } from '../lanes/s3.ts'
import { startSecrets, type SecretsServer } from '../lanes/secrets.ts'
import { serverFolder, startServer, type Server } from '../lanes/server.ts'
import { startComposeBroker, type ComposeBroker } from './broker.ts'
import { readCompose, type Service } from './compose.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const compose = readCompose(join(root, 'docker-compose.yml'))

export const muniment: string = join(root, 'services/cli/bin/muniment.mjs')

/** Names of the services that run workers. */
export const workerNames: readonly string[] = Object.entries(compose.services)
  .filter(([, { command }]) => command?.[0] === 'run')
  .map(([name]) => name)

/** The servers that the compose file starts, on this machine. */
export interface Site {
  readonly broker: ComposeBroker
  readonly s3: S3Server
  readonly secretsManager: SecretsServer
  readonly credentialsFile: string
}

/** A service's environment with the container network's names and paths replaced by the site's. */
export function environmentOf({ environment = {} }: Service, site: Site): Record<string, string> {
  const places: readonly (readonly [RegExp, string])[] = [
    [/kafka:9092/u, `localhost:${site.broker.port}`],
    [/http:\/\/s3:9000/u, site.s3.endpoint],
    [/http:\/\/secrets-manager:5000/u, site.secretsManager.endpoint],
    [/\/etc\/kafka\/secrets\/kafka\.pem/u, site.broker.certificateFile],
    [/\/run\/secrets\/aws-credentials/u, site.credentialsFile],
    [/\/run\/secrets(?=\/kafka-)/u, site.broker.secretsFolder],
  ]
  const here = (value: string): string => places.reduce((text, [from, to]) => text.replace(from, to), value)
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, here(value)]))
}

export async function startSite(folder: string): Promise<Site> {
  const [broker, s3, secretsManager] = await Promise.all([startComposeBroker(), startS3(), startSecrets()])
  const credentialsFile = join(folder, 'aws-credentials')
  const login = [`aws_access_key_id = ${s3.accessKeyId}`, `aws_secret_access_key = ${s3.secretAccessKey}`]
  writeFileSync(credentialsFile, ['[default]', ...login, ''].join('\n'))
  return { broker, s3, secretsManager, credentialsFile }
}

/** Runs a job of the compose file to its end and returns what it printed. */
export async function runJob(service: Service, site: Site): Promise<string> {
  const { entrypoint = ['node', muniment], command = [] } = service
  const [, program = muniment] = entrypoint
  const args = [program.replace('/app/', root), ...command]
  return await runProgram(process.execPath, args, environmentOf(service, site))
}

/** Starts a worker of the compose file and resolves when it says that it is ready. */
export async function startWorker(service: Service, site: Site): Promise<Server> {
  const folder = serverFolder('worker')
  const port = await freePort()
  const http = { MUNIMENT_HOME: folder, MUNIMENT_HTTP_HOST: '127.0.0.1', MUNIMENT_HTTP_PORT: String(port) }
  return await startServer({
    folder,
    command: process.execPath,
    args: [muniment, ...(service.command ?? [])],
    env: inherited({ ...environmentOf(service, site), ...http }),
    isReady: async () => {
      const reply = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
      return reply?.ok === true
    },
  })
}

export function named(name: string): Service {
  const service = compose.services[name]
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return service
}
