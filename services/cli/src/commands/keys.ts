import { randomBytes } from 'node:crypto'
import { initSecrets, openSecrets } from '@muniment/keys'
import { AppError } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { openKeysOf } from '../context.ts'
import { publishControlKeys, publishIngestKey } from '../ingest-key.ts'
import { administerApiKeys, endSessions } from '../keys/api.ts'
import { showDataKey } from '../keys/data.ts'
import { device } from '../keys/device.ts'
import { retire } from '../keys/retire.ts'
import { announce, rewrap, rotate } from '../keys/rotate.ts'
import { showStatus } from '../keys/status.ts'
import { argument, durationMs, repeated } from '../options.ts'

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

async function showControl(call: Call): Promise<number> {
  for (const key of await publishControlKeys(await call.config()))
    call.printer.answer({ control_key: key }, () => key)
  return 0
}

const actions: Readonly<Record<string, (call: Call) => Promise<number>>> = {
  init,
  status: showStatus,
  ingest: showPublic,
  log: showVerifier,
  control: showControl,
  rotate,
  announce,
  rewrap,
  retire,
  data: showDataKey,
  api: administerApiKeys,
  'end-sessions': endSessions,
  device,
}

/** Creates, shows, turns over and destroys keys. */
export const keysCommand: CliCommand = {
  name: 'keys',
  summary: 'Create secrets, show public keys, turn keys over and retire them',
  help: `init never overwrites a secret. With MUNIMENT_SECRETS=file: the secrets are files under MUNIMENT_HOME and are created on first use; with aws: run init once.

rotate adds a generation. A secret is written with it once every process has read the secret again (MUNIMENT_KEYS_CACHE_TTL_MS); old generations keep
opening what they opened, and archived objects are never touched. After root, rewrap; after ingest, announce; --wait does both. retire destroys a
generation, and refuses, naming what, while something needs it. Every act but showing public keys is an event of the archive.

api makes keys for programs that call a guarded server: shown once, kept as salted hashes, refused within 5 seconds after they are revoked.`,
  examples: [
    ['muniment keys init', 'create what is missing, and print the key for interceptors'],
    ['muniment keys status', 'every generation of every secret and tenant, and no key'],
    ['muniment keys ingest', 'the public key that interceptors seal to'],
    ['muniment keys log', 'the public key that auditors verify the log with'],
    ['muniment keys control', 'the public keys that guards verify decisions with'],
    ['muniment keys rotate root --wait', 'a new root; wraps all tenant keys by it when its time has come'],
    ['muniment keys rotate --tenant acme', 'a new key for one tenant'],
    ['muniment keys retire root 1-0badcafe', 'destroy a generation that nothing needs'],
    ['muniment keys api create ci --scope mcp:read --expires 90d', 'a key for a program, shown once'],
    ['muniment keys api list', 'ids, names, scopes, expiry and last use of such keys'],
    ['muniment keys api revoke 5b1f…', 'by its id, which is the middle part of the key'],
    ['muniment keys device add laptop-7', 'let a machine send to the collector; device list, device revoke'],
    [
      'muniment keys end-sessions',
      'every session that guards have bound to a caller, or gave an id, is over',
    ],
    ['muniment keys data seg/v1/t=acme/….parquet --print', "a segment's own key, for Spark or PyArrow"],
  ],
  configure: command => {
    command
      .argument('<action>', Object.keys(actions).join(', '))
      .argument(
        '[what]',
        'a secret (root, masking, ingest, log, control), or an object for data; for api create, list, revoke; for device add, list, revoke',
      )
      .argument(
        '[generation]',
        'for retire; for api the name of a new key, or the id of one to revoke; for device its name',
      )
      .option(
        '--tenant <name>',
        'the key of this tenant instead of a secret; for data, whose segment of a bundle; for api, whose key (default MUNIMENT_TENANT)',
      )
      .option('--scope <scope>', 'api create: what the key may do; may be given several times', repeated)
      .option('--expires <duration>', 'api create: as in 90d; default never', durationMs)
      .option('--wait', 'rotate: wait until the new generation is active, then rewrap or announce')
      .option('--print', 'data: yes, print the key')
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
