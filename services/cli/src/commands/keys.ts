import { randomBytes } from 'node:crypto'
import { initSecrets, openSecrets } from '@muniment/keys'
import { AppError } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { openKeysOf } from '../context.ts'
import { publishIngestKey } from '../ingest-key.ts'
import { argument } from '../options.ts'

/** Creates the secrets that are missing and says what interceptors need. */
async function init(call: Call): Promise<number> {
  const config = await call.config()
  const secrets = await openSecrets(config.secrets)
  const results = await initSecrets(secrets, { now: Date.now, randomBytes })
  for (const result of results)
    call.printer.answer(result, () => `${result.isCreated ? 'created' : 'kept   '}  ${result.name}`)
  const ingestKey = await publishIngestKey(config)
  call.printer.say('')
  call.printer.say('Interceptors need this key; it is public:')
  call.printer.answer({ ingest_key: ingestKey }, () => `MUNIMENT_INGEST_KEY=${ingestKey}`)
  return 0
}

async function showPublic(call: Call): Promise<number> {
  await using context = await openKeysOf(await call.config())
  const ingestKey = await context.keys.ingestPublicKey()
  call.printer.answer({ ingest_key: ingestKey }, () => ingestKey)
  return 0
}

async function showVerifier(call: Call): Promise<number> {
  await using context = await openKeysOf(await call.config())
  for (const key of await context.keys.logVerifierKeys()) call.printer.answer({ log_key: key }, () => key)
  return 0
}

const actions: Readonly<Record<string, (call: Call) => Promise<number>>> = {
  init,
  ingest: showPublic,
  log: showVerifier,
}

/** Creates secrets and shows public keys. */
export const keysCommand: CliCommand = {
  name: 'keys',
  summary: 'Create the secrets that are missing; show public keys',
  help: 'init never overwrites a secret. With MUNIMENT_SECRETS=file: the secrets are files under MUNIMENT_HOME and are created on first use; with aws: run init once.',
  examples: [
    ['muniment keys init', 'create what is missing, and print the key for interceptors'],
    ['muniment keys ingest', 'the public key that interceptors seal to'],
    ['muniment keys log', 'the public key that auditors verify the log with'],
  ],
  configure: command => {
    command.argument('<action>', 'init, ingest or log')
  },
  run: async call => {
    const name = argument(call.args, 0, 'action')
    const action = actions[name]
    if (!action)
      throw new AppError(
        'INVALID_INPUT',
        `"${name}" is not something keys does: ${Object.keys(actions).join(', ')}.`,
      )
    return action(call)
  },
}
