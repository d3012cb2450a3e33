import { z } from 'zod'
import { logLevels } from './logger.ts'

/** Who reads a setting. */
export type SettingRole =
  | 'all'
  | 'interceptor'
  | 'collector'
  | 'masker'
  | 'detector'
  | 'archiver'
  | 'notary'
  | 'query'
  | 'alerts'

/** One setting: an environment variable, and the same under a dotted name in `muniment.yaml`. */
export interface Setting<T = unknown> {
  readonly env: string
  /** One line for people. */
  readonly doc: string
  /** What a value must be, as in "must be …". */
  readonly expects: string
  readonly roles: readonly SettingRole[]
  /** In the form in which it would be written; absent = none. */
  readonly default?: string
  /** Never shown, not even in errors. */
  readonly isSecret?: true
  readonly schema: z.ZodType<T, string | undefined>
}

const clients: readonly SettingRole[] = ['interceptor', 'masker', 'detector', 'archiver', 'query', 'alerts']
const maxWhole = Number.MAX_SAFE_INTEGER

function whole(least: number, most: number = maxWhole): Pick<Setting<number>, 'schema' | 'expects'> {
  const digits = z.string().regex(/^\d{1,16}$/u)
  return {
    expects:
      most === maxWhole ? `a whole number, at least ${least}` : `a whole number from ${least} to ${most}`,
    schema: digits.transform(Number).pipe(z.number().min(least).max(most)),
  }
}

function oneOf<const T extends readonly [string, ...string[]]>(
  ...values: T
): Pick<Setting<T[number]>, 'schema' | 'expects'> {
  return { expects: `one of ${values.join(', ')}`, schema: z.enum(values) }
}

function matching(pattern: RegExp, expects: string): Pick<Setting<string>, 'schema' | 'expects'> {
  return { expects, schema: z.string().regex(pattern) }
}

function optional<T>({
  schema,
  expects,
}: Pick<Setting<T>, 'schema' | 'expects'>): Pick<Setting<T | undefined>, 'schema' | 'expects'> {
  return { expects, schema: schema.optional() }
}

const hostAndPort = /^(?:\[[0-9a-f:]+\]|[A-Za-z0-9_.-]{1,253}):\d{1,5}$/u
const path = matching(/^[^\0]{1,4096}$/u, 'a path')
const text = matching(/^[^\0\r\n]{1,4096}$/u, 'one line of text')
const whether = {
  expects: 'true or false',
  schema: z.enum(['true', 'false']).transform(value => value === 'true'),
}

/** Every setting of the product by its name in `muniment.yaml`; everything that reads, documents or checks settings goes through this table. */
export const settings = {
  home: {
    env: 'MUNIMENT_HOME',
    doc: 'Folder for everything that lies on this machine: bus, archive, state, secrets, spool.',
    roles: ['all'],
    default: './.muniment',
    ...path,
  },
  environment: {
    env: 'MUNIMENT_ENV',
    doc: 'In `production` workers, `up` and `proxy` do not start where `muniment doctor --production` finds what must be mended.',
    roles: ['all'],
    default: 'development',
    ...oneOf('development', 'production'),
  },
  bus: {
    env: 'MUNIMENT_BUS',
    doc: 'Where topics are: `embedded:` (under the home folder), `kafka://host:port,…`, or, to publish only, `https://…` of a collector.',
    roles: ['all'],
    default: 'embedded:',
    ...matching(
      /^(?:embedded:$|kafka:\/\/.|https:\/\/.)/u,
      '`embedded:`, `kafka://host:port,…` or `https://…`',
    ),
  },
  topic_prefix: {
    env: 'MUNIMENT_TOPIC_PREFIX',
    doc: 'What topic names begin with, so that several installations can share brokers.',
    roles: ['all'],
    default: 'mcp.',
    ...matching(/^[A-Za-z0-9._-]{1,100}$/u, 'up to 100 letters, digits, dots, dashes and underscores'),
  },
  store: {
    env: 'MUNIMENT_STORE',
    doc: 'Where the archive is: `file:` (under the home folder), `file:PATH` or `s3://bucket/prefix`.',
    roles: ['archiver', 'notary', 'query'],
    default: 'file:',
    ...matching(/^(?:file:|s3:\/\/.)/u, '`file:`, `file:PATH` or `s3://bucket/prefix`'),
  },
  store_unsafe: {
    env: 'MUNIMENT_STORE_UNSAFE',
    doc: 'Whether to archive, unlocked, in a bucket that does not keep objects immutable; said at every start in the log and in the record of administrative acts.',
    roles: ['archiver', 'notary'],
    default: 'false',
    ...whether,
  },
  state: {
    env: 'MUNIMENT_STATE',
    doc: 'Where mutable state is: `file:` (under the home folder), `file:PATH` or `s3://bucket/prefix`; never the bucket of the archive.',
    roles: ['masker', 'detector', 'archiver', 'notary', 'query'],
    default: 'file:',
    ...matching(/^(?:file:|s3:\/\/.)/u, '`file:`, `file:PATH` or `s3://bucket/prefix`'),
  },
  secrets: {
    env: 'MUNIMENT_SECRETS',
    doc: 'Where secrets are: `file:` (under the home folder), `file:PATH`, or `aws:PREFIX` for AWS Secrets Manager (prefix `muniment/` where none is given).',
    roles: ['masker', 'detector', 'archiver', 'notary', 'query'],
    default: 'file:',
    ...matching(/^(?:file:|aws:[A-Za-z0-9/_+=.@-]{0,400}$)/u, '`file:`, `file:PATH` or `aws:PREFIX`'),
  },
  'keys.cache_ttl_ms': {
    env: 'MUNIMENT_KEYS_CACHE_TTL_MS',
    doc: 'How long secrets and tenant keys stay in memory.',
    roles: ['masker', 'detector', 'archiver', 'notary', 'query'],
    default: '300000',
    ...whole(1000, 86_400_000),
  },
  ingest_key: {
    env: 'MUNIMENT_INGEST_KEY',
    doc: 'Public key to which interceptors seal, `<kid>.<base64url>`; on one machine it is read from `ingest.pub` in the home folder.',
    roles: ['interceptor'],
    ...optional(matching(/^[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{43}$/u, 'of the form `<kid>.<base64url>`')),
  },
  control_key: {
    env: 'MUNIMENT_CONTROL_KEY',
    doc: 'Public keys whose signature makes a control decision count for guards, `<id>.<base64url>`, separated by commas; on one machine they are read from `control.pub` in the home folder.',
    roles: ['interceptor', 'collector'],
    ...optional(
      matching(
        /^[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{43}(?:\s*,\s*[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{43}){0,15}$/u,
        'of the form `<id>.<base64url>`, several separated by commas',
      ),
    ),
  },
  'guard.allow': {
    env: 'MUNIMENT_GUARD_ALLOW',
    doc: 'What no control decision may touch, as `scope/value` separated by commas: `principal/alice,server/files`.',
    roles: ['interceptor', 'detector'],
    ...optional(
      matching(
        /^(?:tenant|principal|client|server|tool)\/[^,\0]{1,500}(?:,\s*(?:tenant|principal|client|server|tool)\/[^,\0]{1,500}){0,200}$/u,
        '`scope/value`, several separated by commas, with the scopes tenant, principal, client, server and tool',
      ),
    ),
  },
  tenant: {
    env: 'MUNIMENT_TENANT',
    doc: 'Unit of isolation to which what an interceptor sees belongs.',
    roles: ['interceptor', 'query'],
    default: 'default',
    ...matching(
      /^[a-z0-9][a-z0-9_.-]{0,62}$/u,
      'up to 63 lower-case letters, digits, dots, dashes and underscores',
    ),
  },
  server_name: {
    env: 'MUNIMENT_SERVER_NAME',
    doc: 'Name of the observed server in events, where it should not be the one that it gives itself.',
    roles: ['interceptor'],
    ...optional(matching(/^[^\0\r\n]{1,200}$/u, 'one line of at most 200 characters')),
  },
  fail_closed: {
    env: 'MUNIMENT_FAIL_CLOSED',
    doc: 'Requests that reach a server only once they are recorded, separated by commas: `*`, tools as `delete_*`, methods as `resources/read`, or both as `tools/call:delete_*`. What is not named never waits for its record.',
    roles: ['interceptor'],
    ...optional(
      matching(/^[^\0\r\n]{1,4096}$/u, 'patterns without white space in them, separated by commas'),
    ),
  },
  'record.deadline_ms': {
    env: 'MUNIMENT_RECORD_DEADLINE_MS',
    doc: 'How long such a request may wait for its record before it is refused.',
    roles: ['interceptor'],
    default: '2000',
    ...whole(1, 9000),
  },
  'device.name': {
    env: 'MUNIMENT_DEVICE',
    doc: 'Name under which this machine is enrolled at the collector that `MUNIMENT_BUS` names.',
    roles: ['interceptor'],
    ...optional(matching(/^[a-z0-9][a-z0-9-]{0,62}$/u, 'up to 63 lower-case letters, digits and dashes')),
  },
  'device.key': {
    env: 'MUNIMENT_DEVICE_KEY',
    doc: 'Its key, as `muniment keys device add` printed it.',
    roles: ['interceptor'],
    isSecret: true,
    ...optional(text),
  },
  'device.key_file': {
    env: 'MUNIMENT_DEVICE_KEY_FILE',
    doc: 'File with that key, instead of `MUNIMENT_DEVICE_KEY`.',
    roles: ['interceptor'],
    ...optional(path),
  },
  'device.ca_file': {
    env: 'MUNIMENT_DEVICE_CA_FILE',
    doc: "PEM file with the authorities of the collector's certificate, where the usual ones do not vouch for it.",
    roles: ['interceptor'],
    ...optional(path),
  },
  'device.tls_cert_file': {
    env: 'MUNIMENT_DEVICE_TLS_CERT',
    doc: 'PEM file with a certificate in the name of this machine, instead of a key.',
    roles: ['interceptor'],
    ...optional(path),
  },
  'device.tls_key_file': {
    env: 'MUNIMENT_DEVICE_TLS_KEY',
    doc: 'PEM file with the private key of that certificate.',
    roles: ['interceptor'],
    ...optional(path),
  },
  'collector.listen': {
    env: 'MUNIMENT_COLLECTOR_LISTEN',
    doc: 'Where `muniment run collector` takes batches from devices; beyond this machine only over TLS (`MCP_TLS_CERT`, `MCP_TLS_KEY`).',
    roles: ['collector'],
    default: '127.0.0.1:8443',
    ...matching(hostAndPort, 'host:port'),
  },
  'query.listen': {
    env: 'MUNIMENT_QUERY_LISTEN',
    doc: 'Where `muniment run query` serves its HTTP API and its MCP endpoint `/mcp`, to callers whom the section `auth` lets in; beyond this machine only over TLS (`MCP_TLS_CERT`, `MCP_TLS_KEY`). Not served where left out.',
    roles: ['query'],
    ...optional(matching(hostAndPort, 'host:port')),
  },
  'query.public_url': {
    env: 'MUNIMENT_QUERY_PUBLIC_URL',
    doc: 'The address under which callers reach that API: what access tokens must be made for. Default: where it listens.',
    roles: ['query'],
    ...optional(matching(/^https?:\/\/[^\s?#]{1,500}$/u, 'an http or https address without a query')),
  },
  'collector.client_ca_file': {
    env: 'MUNIMENT_COLLECTOR_CLIENT_CA',
    doc: 'PEM file with authorities of device certificates; with it an enrolled device may show one instead of a key.',
    roles: ['collector'],
    ...optional(path),
  },
  'collector.bytes_per_second': {
    env: 'MUNIMENT_COLLECTOR_BYTES_PER_SECOND',
    doc: 'How fast one device may send, sixteen times that at once.',
    roles: ['collector'],
    default: '1048576',
    ...whole(1024),
  },
  allowed_origins: {
    env: 'MCP_ALLOWED_ORIGINS',
    doc: 'Origins, separated by commas, whose pages may call through `muniment proxy`; with it the proxy answers for CORS itself.',
    roles: ['interceptor'],
    ...optional(
      matching(
        /^https?:\/\/[^\s,*/?#]+(?:,\s*https?:\/\/[^\s,*/?#]+)*$/u,
        'origins such as https://app.example.com, separated by commas, without *',
      ),
    ),
  },
  'tls.cert_file': {
    env: 'MCP_TLS_CERT',
    doc: 'PEM file with the certificate chain with which `muniment proxy` and the collector serve TLS.',
    roles: ['interceptor', 'collector'],
    ...optional(path),
  },
  'tls.key_file': {
    env: 'MCP_TLS_KEY',
    doc: 'PEM file with the private key of that certificate.',
    roles: ['interceptor'],
    ...optional(path),
  },
  'ring.max_bytes': {
    env: 'MUNIMENT_RING_MAX_BYTES',
    doc: 'Most memory for events that wait to be sent.',
    roles: ['interceptor'],
    default: '33554432',
    ...whole(65_536),
  },
  'spool.max_bytes': {
    env: 'MUNIMENT_SPOOL_MAX_BYTES',
    doc: 'Most disk for sealed batches that wait while the bus is away.',
    roles: ['interceptor'],
    default: '1073741824',
    ...whole(1_048_576),
  },
  'kafka.client_id': {
    env: 'MUNIMENT_KAFKA_CLIENT_ID',
    doc: 'Name by which brokers know this process.',
    roles: clients,
    default: 'muniment',
    ...matching(/^[A-Za-z0-9._-]{1,200}$/u, 'up to 200 letters, digits, dots, dashes and underscores'),
  },
  'kafka.tls': {
    env: 'MUNIMENT_KAFKA_TLS',
    doc: 'Whether to speak TLS to the brokers; on where a file or server name for it is given.',
    roles: clients,
    ...optional(whether),
  },
  'kafka.ca_file': {
    env: 'MUNIMENT_KAFKA_CA_FILE',
    doc: 'PEM file with the authorities that sign for the brokers; the system’s where absent.',
    roles: clients,
    ...optional(path),
  },
  'kafka.cert_file': {
    env: 'MUNIMENT_KAFKA_CERT_FILE',
    doc: 'PEM file with the certificate of this process, for mutual TLS.',
    roles: clients,
    ...optional(path),
  },
  'kafka.key_file': {
    env: 'MUNIMENT_KAFKA_KEY_FILE',
    doc: 'PEM file with the private key of that certificate.',
    roles: clients,
    ...optional(path),
  },
  'kafka.server_name': {
    env: 'MUNIMENT_KAFKA_SERVERNAME',
    doc: 'Name that the certificates of the brokers must have, where it is not the one dialled.',
    roles: clients,
    ...optional(text),
  },
  'kafka.sasl_mechanism': {
    env: 'MUNIMENT_KAFKA_SASL_MECHANISM',
    doc: 'How to prove to the brokers who one is.',
    roles: clients,
    ...optional(oneOf('plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer')),
  },
  'kafka.sasl_username': {
    env: 'MUNIMENT_KAFKA_SASL_USERNAME',
    doc: 'Name for `plain` and `scram-…`.',
    roles: clients,
    ...optional(text),
  },
  'kafka.sasl_password': {
    env: 'MUNIMENT_KAFKA_SASL_PASSWORD',
    doc: 'Password for `plain` and `scram-…`; better in a file.',
    roles: clients,
    isSecret: true,
    ...optional(text),
  },
  'kafka.sasl_password_file': {
    env: 'MUNIMENT_KAFKA_SASL_PASSWORD_FILE',
    doc: 'File with that password; white space at its end is ignored.',
    roles: clients,
    ...optional(path),
  },
  'kafka.oauth_token_file': {
    env: 'MUNIMENT_KAFKA_OAUTH_TOKEN_FILE',
    doc: 'File with the current token for `oauthbearer`, read for every connection.',
    roles: clients,
    ...optional(path),
  },
  'cut.max_age_ms': {
    env: 'MUNIMENT_CUT_MAX_AGE_MS',
    doc: 'Longest time that an event waits to be archived.',
    roles: ['archiver'],
    default: '2000',
    ...whole(10, 86_400_000),
  },
  'cut.max_events': {
    env: 'MUNIMENT_CUT_MAX_EVENTS',
    doc: 'Most events in one cut.',
    roles: ['archiver'],
    default: '50000',
    ...whole(1, 1_000_000),
  },
  'cut.max_bytes': {
    env: 'MUNIMENT_CUT_MAX_BYTES',
    doc: 'Most bytes of events in one cut.',
    roles: ['archiver'],
    default: '67108864',
    ...whole(1024, 1_073_741_824),
  },
  'retention.days': {
    env: 'MUNIMENT_RETENTION_DAYS',
    doc: 'How long archived objects stay locked.',
    roles: ['archiver', 'notary'],
    default: '365',
    ...whole(1, 36_500),
  },
  'retention.lock_mode': {
    env: 'MUNIMENT_LOCK_MODE',
    doc: 'Object Lock mode: in `compliance` nobody can shorten it, in `governance` who has a permission can.',
    roles: ['archiver', 'notary'],
    default: 'compliance',
    ...oneOf('compliance', 'governance'),
  },
  'log.name': {
    env: 'MUNIMENT_LOG_NAME',
    doc: 'Name of the archive’s log in checkpoints and proofs, usually a domain and path of yours; never change it.',
    roles: ['notary', 'query'],
    default: 'muniment.local/log',
    ...matching(/^[^\s+]{1,200}$/u, 'a name without spaces and plus signs'),
  },
  'log.checkpoint_interval_ms': {
    env: 'MUNIMENT_CHECKPOINT_INTERVAL_MS',
    doc: 'How often manifests are added to the log and a checkpoint is signed.',
    roles: ['notary'],
    default: '2000',
    ...whole(100, 3_600_000),
  },
  'log.heartbeat_interval_ms': {
    env: 'MUNIMENT_LOG_HEARTBEAT_INTERVAL_MS',
    doc: 'After how long without anything to add the log gets a heartbeat, so that silence can be told from absence.',
    roles: ['notary'],
    default: '600000',
    ...whole(1000, 86_400_000),
  },
  'witness.policy_file': {
    env: 'MUNIMENT_WITNESS_POLICY_FILE',
    doc: 'File that names the witnesses of the log and how many must cosign: lines `witness <name> <vkey> <url>`, `group <name> any|all|<n> <member> …`, `quorum <name>`; absent = nobody cosigns.',
    roles: ['notary', 'query'],
    ...optional(path),
  },
  'witness.timeout_ms': {
    env: 'MUNIMENT_WITNESS_TIMEOUT_MS',
    doc: 'Longest wait for the witnesses’ answers to one checkpoint; the log goes on meanwhile.',
    roles: ['notary'],
    default: '5000',
    ...whole(100, 600_000),
  },
  'witness.max_unwitnessed_ms': {
    env: 'MUNIMENT_WITNESS_MAX_UNWITNESSED_MS',
    doc: 'How long the log may grow without enough cosignatures before an alert is raised.',
    roles: ['notary'],
    default: '300000',
    ...whole(1000, 86_400_000),
  },
  mask_pii_before_llm: {
    env: 'MASK_PII_BEFORE_LLM',
    doc: 'Whether the guard masks results before the model sees them; the stricter of this, the section `pii` and a request’s header wins.',
    roles: ['interceptor'],
    ...optional(whether),
  },
  mask_pii_in_logs: {
    env: 'MASK_PII_IN_LOGS',
    doc: 'Whether personal data is masked in the lines that processes log; where nobody says otherwise, it is.',
    roles: ['all'],
    ...optional(whether),
  },
  log_level: {
    env: 'MUNIMENT_LOG_LEVEL',
    doc: 'Least important lines that are logged.',
    roles: ['all'],
    default: 'info',
    ...oneOf(...logLevels),
  },
  'http.host': {
    env: 'MUNIMENT_HTTP_HOST',
    doc: 'Address of `/livez`, `/readyz` and `/metrics`; they tell no content, but open them to your monitoring only.',
    roles: ['collector', 'masker', 'detector', 'archiver', 'notary', 'query'],
    default: '127.0.0.1',
    ...matching(/^[A-Za-z0-9.:_-]{1,253}$/u, 'an address or host name'),
  },
  'http.port': {
    env: 'MUNIMENT_HTTP_PORT',
    doc: 'Port of the same; 0 = any free one.',
    roles: ['collector', 'masker', 'detector', 'archiver', 'notary', 'query'],
    default: '0',
    ...whole(0, 65_535),
  },
  drain_timeout_ms: {
    env: 'MUNIMENT_DRAIN_TIMEOUT_MS',
    doc: 'Longest time to finish the work in hand when asked to stop.',
    roles: ['all'],
    default: '25000',
    ...whole(0, 3_600_000),
  },
  rules: {
    env: 'MUNIMENT_RULES',
    doc: 'Folder of detection rules (Sigma) beside the shipped ones; read again when it changes.',
    roles: ['detector'],
    ...optional(path),
  },
  'webhook.url': {
    env: 'MUNIMENT_WEBHOOK_URL',
    doc: 'Where alerts are posted.',
    roles: ['alerts'],
    ...optional(matching(/^https?:\/\/[^\s@]{1,2000}$/u, 'a URL with http or https and without credentials')),
  },
  'webhook.secret': {
    env: 'MUNIMENT_WEBHOOK_SECRET',
    doc: 'Key of the HMAC-SHA-256 signature of what is posted; better in a file.',
    roles: ['alerts'],
    isSecret: true,
    ...optional(matching(/^[^\0\r\n]{16,4096}$/u, 'one line of at least 16 characters')),
  },
  'webhook.secret_file': {
    env: 'MUNIMENT_WEBHOOK_SECRET_FILE',
    doc: 'File with that key; white space at its end is ignored.',
    roles: ['alerts'],
    ...optional(path),
  },
} as const satisfies Readonly<Record<string, Setting>>

/** The name of a setting in `muniment.yaml`. */
export type SettingName = keyof typeof settings

/** Every setting, read. */
export type SettingValues = { readonly [N in SettingName]: z.output<(typeof settings)[N]['schema']> }
