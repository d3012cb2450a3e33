// The broker of docker-compose.yml without a container: the same script and the same settings, on loopback ports.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runProgram } from '../lanes/cache.ts'
import { inherited } from '../lanes/environment.ts'
import { classPath, jvmFlags } from '../lanes/kafka-libs.ts'
import { freePort, isListening } from '../lanes/ports.ts'
import { serverFolder, startServer, type Server } from '../lanes/server.ts'

const docker = fileURLToPath(new URL('../../infra/docker/', import.meta.url))

export interface ComposeBroker extends Server {
  readonly port: number
  readonly certificateFile: string
  /** Holds `kafka-<user>` with the password of each user. */
  readonly secretsFolder: string
}

/** The settings as shipped, but for the container's paths and ports and the pause before a group's first assignment. */
async function localSettings(folder: string, port: number): Promise<string> {
  const controller = await freePort()
  const host = await freePort()
  const replacements: readonly (readonly [string, string])[] = [
    ['INTERNAL://:9092', `INTERNAL://127.0.0.1:${port}`],
    ['INTERNAL://kafka:9092', `INTERNAL://localhost:${port}`],
    ['HOST://:9094', `HOST://127.0.0.1:${host}`],
    ['HOST://localhost:9094', `HOST://localhost:${host}`],
    ['127.0.0.1:9093', `127.0.0.1:${controller}`],
    ['/var/lib/kafka/data', join(folder, 'data')],
    ['/etc/kafka/secrets', join(folder, 'tls')],
  ]
  const shipped = readFileSync(join(docker, 'kafka/server.properties'), 'utf8')
  const local = replacements.reduce((text, [from, to]) => text.replaceAll(from, to), shipped)
  return `${local}group.initial.rebalance.delay.ms=0\n`
}

function kafkaProgram(folder: string, name: string, main: string): void {
  const java = ['java', ...jvmFlags, '-cp', `'${classPath()}'`, main].join(' ')
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\nexec ${java} "$@"\n`, { mode: 0o755 })
}

/** Starts the shipped broker with the shipped users and fresh passwords. */
export async function startComposeBroker(): Promise<ComposeBroker> {
  const folder = serverFolder('compose')
  for (const name of ['bin', 'data', 'tls']) mkdirSync(join(folder, name))
  kafkaProgram(folder, 'kafka-storage.sh', 'kafka.tools.StorageTool')
  kafkaProgram(folder, 'kafka-server-start.sh', 'kafka.Kafka')
  const port = await freePort()
  writeFileSync(join(folder, 'shipped.properties'), await localSettings(folder, port))
  await runProgram('sh', [join(docker, 'secrets.sh'), join(folder, 'secrets')])
  const server = await startServer({
    folder,
    command: 'sh',
    args: [join(docker, 'kafka/start.sh')],
    env: inherited({
      KAFKA_BIN: join(folder, 'bin'),
      KAFKA_TEMPLATE: join(folder, 'shipped.properties'),
      KAFKA_SECRETS: join(folder, 'secrets'),
      KAFKA_CONFIG: join(folder, 'server.properties'),
    }),
    isReady: async () => await isListening(port),
  })
  return {
    ...server,
    port,
    certificateFile: join(folder, 'tls/kafka.pem'),
    secretsFolder: join(folder, 'secrets'),
  }
}
