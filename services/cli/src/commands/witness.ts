import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCosigner } from '@muniment/archive'
import { createWitness, createWitnessServer } from '@muniment/archiver'
import { createLogger, runService } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { openState } from '@muniment/state'
import { InvalidArgumentError } from 'commander'
import type { Call, CliCommand } from '../command.ts'
import { repeated, textOption, textOptions } from '../options.ts'

interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`, or `[address]:port` for IPv6. */
function listenAddress(text: string): Address {
  const [, host, port] = /^(?:\[(?=.*\]))?([A-Za-z0-9.:_-]+?)\]?:(\d{1,5})$/u.exec(text) ?? []
  if (host === undefined || Number(port) > 65_535)
    throw new InvalidArgumentError('Write an address like 127.0.0.1:7380.')
  return { host, port: Number(port) }
}

function isAddress(value: unknown): value is Address {
  return typeof value === 'object' && value !== null && 'host' in value && 'port' in value
}

/** The witness's own key: a PEM file that only its owner may read, made on first use. */
function loadKey(folder: string): KeyObject {
  const file = join(folder, 'witness.key.pem')
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ed25519')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // Exclusive: of two that start at once, one would go on with a key that is nowhere.
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
  }
  const key = createPrivateKey(readFileSync(file))
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new AppError('SECRET_MALFORMED', `${file} holds no Ed25519 key.`)
}

function logsOf({ options }: Call): readonly string[] {
  const logs = textOptions(options, 'log')
  if (logs.length > 0) return logs
  throw new AppError('INVALID_INPUT', 'Name a log to watch: --log <vkey>.', {
    hint: '`muniment keys log` prints the verifier key where the log is kept.',
  })
}

async function witness(call: Call): Promise<number> {
  const { options, io, printer } = call
  const logs = logsOf(call)
  const { home, state: place, logLevel, drainTimeoutMs, http } = await call.config()
  const cosigner = createCosigner(textOption(options, 'name') ?? '', loadKey(home))
  const log = createLogger({ name: 'witness', level: logLevel })
  await using state = await openState(place)
  const { listen } = options
  const address = isAddress(listen) ? listen : { host: '127.0.0.1', port: 7380 }
  const server = createWitnessServer({
    witness: createWitness({ cosigner, logs, state, nowMs: Date.now }),
    log,
    ...address,
    onReady: url => {
      printer.say('Logs that want cosignatures need this line in their policy:')
      printer.answer({ url, vkey: cosigner.vkey }, () => `witness ${cosigner.name} ${cosigner.vkey} ${url}`)
    },
  })
  return await runService({
    name: 'witness',
    tasks: { witness: server },
    log,
    http,
    drainTimeoutMs,
    signal: io.signal,
  })
}

/** Runs a witness for logs of others. */
export const witnessCommand: CliCommand = {
  name: 'witness',
  summary: 'Cosign the heads of logs that others keep, and refuse any that was rewritten',
  help: 'A C2SP tlog-witness server: any log in that format may use it. It must not be run by whoever keeps the log. Its key and what it has cosigned lie under MUNIMENT_HOME; without the latter it must not go on. Put TLS in front of it where it can be reached from elsewhere.',
  examples: [
    [
      'muniment witness --name witness.example/w1 --log example.com/log+0a1b2c3d+AQ…',
      'watch one log, on 127.0.0.1:7380',
    ],
    [
      'muniment witness --name witness.example/w1 --log … --log … --listen 0.0.0.0:7380',
      'watch two, for everybody who reaches this machine',
    ],
  ],
  configure: command => {
    command
      .requiredOption('--name <name>', 'name of the witness, usually a domain and path; never change it')
      .option('--log <vkey>', 'verifier key of a log to watch; may be given again', repeated)
      .option('--listen <host:port>', 'where to take checkpoints (default: 127.0.0.1:7380)', listenAddress)
  },
  run: witness,
}
