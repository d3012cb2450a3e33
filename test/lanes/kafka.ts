// A real Kafka broker for tests: one process, loopback only, gone when the test process is gone.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram, type Progress } from './cache.ts'
import { inherited } from './environment.ts'
import {
  administrator,
  baseProperties,
  renderProperties,
  securityProperties,
  type BrokerLayout,
  type Properties,
} from './kafka-config.ts'
import { classArchive, classPath, hasKafkaLibs, installKafkaLibs, jvmFlags } from './kafka-libs.ts'
import { freePort, isListening } from './ports.ts'
import { serverFolder, startServer, type Server } from './server.ts'
import { makeCertificates } from './tls.ts'

export interface KafkaOptions {
  /**
   * Names of SCRAM users; given, clients must come by SASL_SSL and may do only what access rules allow.
   * The user `admin` exists besides and may do everything.
   */
  readonly users?: readonly string[]
  /** Broker settings that replace the fixture's. */
  readonly properties?: Properties
  /** Where clients are sent after the first contact, when a proxy of the test stands before the broker. */
  readonly advertisedPort?: number
}

export interface KafkaSecurity {
  /** PEM file of the authority that signed the broker's certificate for `localhost`. */
  readonly authorityFile: string
  readonly mechanism: 'scram-sha-512'
  readonly passwordOf: (user: string) => string
}

export interface KafkaServer extends Server {
  /** `host:port` pairs for a client. */
  readonly brokers: readonly string[]
  readonly port: number
  /** What the broker has written: a test may search it for text that must not be there. */
  readonly dataFolder: string
  /** Present when users were asked for. */
  readonly security?: KafkaSecurity
}

interface Prepared {
  readonly properties: Properties
  readonly security?: KafkaSecurity
  readonly format: readonly string[]
}

function kafkaUuid(): string {
  // Kafka reads an id with a leading dash as a command-line option.
  return randomBytes(16).toString('base64url').replace(/^-/u, 'A')
}

async function prepare(folder: string, options: KafkaOptions): Promise<Prepared> {
  if (options.users === undefined) return { properties: {}, format: [] }
  const certificates = await makeCertificates(folder)
  const users = [administrator, ...options.users]
  const passwords = new Map(users.map(user => [user, randomBytes(12).toString('hex')]))
  const passwordOf = (user: string): string => {
    const password = passwords.get(user)
    if (password === undefined) throw new Error(`this broker has no user ${user}; it has ${users.join(', ')}`)
    return password
  }
  return {
    properties: securityProperties(certificates, passwordOf(administrator)),
    security: { authorityFile: certificates.authorityFile, mechanism: 'scram-sha-512', passwordOf },
    format: users.flatMap(user => [
      '--add-scram',
      `SCRAM-SHA-512=[name=${user},password=${passwordOf(user)}]`,
    ]),
  }
}

/** Kafka's own formatter costs a second of JVM; without users the one file it writes is as good by hand. */
async function format(folder: string, flags: readonly string[]): Promise<void> {
  const data = join(folder, 'data')
  mkdirSync(data)
  if (flags.length === 0) {
    const meta = `version=1\ncluster.id=${kafkaUuid()}\nnode.id=1\ndirectory.id=${kafkaUuid()}\n`
    writeFileSync(join(data, 'meta.properties'), meta)
    return
  }
  const config = join(folder, 'server.properties')
  const tool = ['kafka.tools.StorageTool', 'format', '-t', kafkaUuid()]
  await runProgram('java', [...jvmFlags, '-cp', classPath(), ...tool, '-c', config, ...flags])
}

async function brokerLayout(folder: string, options: KafkaOptions): Promise<BrokerLayout> {
  const isSecure = options.users !== undefined
  const port = await freePort()
  return {
    folder,
    port,
    controllerPort: await freePort(),
    // A name, because TLS clients may not send an address as server name.
    advertised: `${isSecure ? 'localhost' : '127.0.0.1'}:${options.advertisedPort ?? port}`,
    listener: isSecure ? 'SASL_SSL' : 'PLAINTEXT',
  }
}

async function start(options: KafkaOptions, archive: readonly string[]): Promise<KafkaServer> {
  const folder = serverFolder('kafka')
  const layout = await brokerLayout(folder, options)
  const prepared = await prepare(folder, options)
  const properties = { ...baseProperties(layout), ...prepared.properties, ...options.properties }
  const config = join(folder, 'server.properties')
  writeFileSync(config, renderProperties(properties), { mode: 0o600 })
  await format(folder, prepared.format)
  const server = await startServer({
    folder,
    command: 'java',
    args: [...jvmFlags, ...archive, '-cp', classPath(), 'kafka.Kafka', config],
    env: inherited(),
    isReady: async () => await isListening(layout.port),
  })
  return {
    ...server,
    brokers: [`${layout.listener === 'SASL_SSL' ? 'localhost' : '127.0.0.1'}:${layout.port}`],
    port: layout.port,
    dataFolder: join(folder, 'data'),
    ...(prepared.security === undefined ? {} : { security: prepared.security }),
  }
}

/** Fetches the jars and writes the class archive, unless the cache has them. */
export async function installKafka(progress: Progress): Promise<void> {
  await installKafkaLibs(progress)
  if (existsSync(classArchive.path())) return
  progress('Kafka: writing the class archive that halves its start …')
  const scratch = `${classArchive.path()}.${randomBytes(4).toString('hex')}`
  const broker = await start({}, classArchive.write(scratch))
  await broker.stop()
  // A JVM that cannot write one says so in its log and goes on; starts are then only slower.
  if (existsSync(scratch)) renameSync(scratch, classArchive.path())
  rmSync(scratch, { force: true })
}

/** Whether a broker can be started without a download. */
export function isKafkaInstalled(): boolean {
  return hasKafkaLibs()
}

/** Starts a fresh, empty broker and resolves when it accepts clients; throws with the end of its log otherwise. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  return await start(options, classArchive.use())
}
