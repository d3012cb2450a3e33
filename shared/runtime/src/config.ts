import { join, resolve } from 'node:path'
import { busConfig, type BusConfig } from './config-bus.ts'
import { invalid } from './invalid.ts'
import { readSettings, secretOf, type ConfigSources, type Read } from './read-settings.ts'
import type { SettingName, SettingValues } from './settings.ts'
import { entries, type Environment } from './sources.ts'

/** A bucket and what stands before every name in it. */
export interface S3Place {
  readonly kind: 's3'
  readonly bucket: string
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string
  /** `true` where the environment names an endpoint of its own. */
  readonly forcePathStyle: boolean
}

/** A folder of this machine, absolute. */
export interface FilePlace {
  readonly kind: 'file'
  readonly dir: string
}

/** Secrets in AWS Secrets Manager, each named `<prefix><name>`. */
export interface AwsPlace {
  readonly kind: 'aws'
  readonly prefix: string
}

/** Every setting as what it means; services get the parts that they need. */
export interface Config {
  readonly environment: SettingValues['environment']
  /** Absolute. */
  readonly home: string
  readonly bus: BusConfig
  readonly store: FilePlace | S3Place
  readonly isUnsafeStoreAllowed: boolean
  readonly state: FilePlace | S3Place
  readonly secrets: FilePlace | AwsPlace
  readonly keys: { readonly cacheTtlMs: number }
  readonly interceptor: {
    readonly tenant: string
    readonly ingestKey: string | undefined
    readonly controlKey: string | undefined
    readonly serverName: string | undefined
    readonly ringMaxBytes: number
    readonly spoolMaxBytes: number
    /** Requests that wait until they are recorded. */
    readonly delivery: { readonly failClosed: readonly string[]; readonly deadlineMs: number }
  }
  /** How the proxy faces its clients. */
  readonly proxy: {
    readonly allowedOrigins: readonly string[]
    readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  }
  /** Where devices send, and how fast they may. */
  readonly collector: {
    readonly host: string
    readonly port: number
    readonly clientCaFile: string | undefined
    readonly bytesPerSecond: number
  }
  /** Where the archive is read over HTTP; `undefined` = not at all. */
  readonly query:
    | { readonly host: string; readonly port: number; readonly publicUrl: string | undefined }
    | undefined
  /** What no control decision may touch, as `scope/value`. */
  readonly guardAllow: readonly string[]
  readonly cut: { readonly maxAgeMs: number; readonly maxEvents: number; readonly maxBytes: number }
  readonly retention: { readonly days: number; readonly lockMode: 'compliance' | 'governance' }
  /** The archive's log. */
  readonly log: {
    readonly name: string
    readonly checkpointIntervalMs: number
    readonly heartbeatIntervalMs: number
  }
  /** Who cosigns the log; nobody where there is no policy. */
  readonly witness: {
    readonly policyFile: string | undefined
    readonly timeoutMs: number
    readonly maxUnwitnessedMs: number
  }
  readonly logLevel: SettingValues['log_level']
  readonly http: { readonly host: string; readonly port: number }
  readonly drainTimeoutMs: number
  /** Folder of rules beside the shipped ones, absolute. */
  readonly rulesFolder: string | undefined
  readonly webhook: { readonly url: string; readonly secret: string } | undefined
  /** Whether personal data is masked, where somebody said so. */
  readonly masking: { readonly beforeLlm: boolean | undefined; readonly inLogs: boolean | undefined }
  /** Settings whose value somebody chose, be it that of the default. */
  readonly chosen: readonly SettingName[]
  /** The nested documents of `muniment.yaml`, for `readSection`. */
  readonly sections: Read['sections']
}

function s3Place(text: string, as: string, env: Environment): S3Place {
  const [, bucket, prefix = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9/._=-]{0,300}))?$/u.exec(text) ?? []
  if (bucket === undefined || prefix.includes('//'))
    throw invalid(as, `must be s3://bucket/prefix, not ${JSON.stringify(text.slice(0, 100))}.`)
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'] ?? ''
  return { kind: 's3', bucket, prefix: prefix.replace(/^\/+|\/+$/gu, ''), forcePathStyle: endpoint !== '' }
}

function filePlace(text: string, home: string, folder: string): FilePlace {
  const path = text.slice('file:'.length)
  return { kind: 'file', dir: path === '' ? join(home, folder) : resolve(path) }
}

function secretsPlace(text: string, home: string): FilePlace | AwsPlace {
  if (text.startsWith('file:')) return filePlace(text, home, 'secrets')
  const prefix = text.slice('aws:'.length)
  return { kind: 'aws', prefix: prefix === '' ? 'muniment/' : prefix }
}

function checkPlaces(read: Read, store: FilePlace | S3Place, state: FilePlace | S3Place): void {
  if (store.kind === 's3' && state.kind === 's3' && store.bucket === state.bucket)
    throw invalid(
      read.as('state'),
      `names the bucket ${state.bucket}, which is the archive's.`,
      'State must be deletable and the archive must not: give the state a bucket of its own, without versioning.',
    )
  if (store.kind === 'file' && state.kind === 'file' && store.dir === state.dir)
    throw invalid(read.as('state'), `names the folder of the archive, ${state.dir}.`)
}

function webhook(read: Read): Config['webhook'] {
  const url = read.value('webhook.url')
  const secret = secretOf(read, 'webhook.secret', 'webhook.secret_file')
  if (url === undefined && secret === undefined) return undefined
  if (url === undefined) throw invalid(read.as('webhook.url'), 'is missing, though there is a secret for it.')
  if (secret === undefined)
    throw invalid(read.as('webhook.secret_file'), 'is missing: alerts are not posted unsigned.')
  return { url, secret }
}

function witness({ value }: Read): Config['witness'] {
  return {
    policyFile: value('witness.policy_file'),
    timeoutMs: value('witness.timeout_ms'),
    maxUnwitnessedMs: value('witness.max_unwitnessed_ms'),
  }
}

function cut({ value }: Read): Config['cut'] {
  return {
    maxAgeMs: value('cut.max_age_ms'),
    maxEvents: value('cut.max_events'),
    maxBytes: value('cut.max_bytes'),
  }
}

function logOf({ value }: Read): Config['log'] {
  return {
    name: value('log.name'),
    checkpointIntervalMs: value('log.checkpoint_interval_ms'),
    heartbeatIntervalMs: value('log.heartbeat_interval_ms'),
  }
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap(one => one.trim() || [])
}

function interceptor({ value }: Read): Config['interceptor'] {
  return {
    tenant: value('tenant'),
    ingestKey: value('ingest_key'),
    controlKey: value('control_key'),
    serverName: value('server_name'),
    ringMaxBytes: value('ring.max_bytes'),
    spoolMaxBytes: value('spool.max_bytes'),
    delivery: { failClosed: listOf(value('fail_closed')), deadlineMs: value('record.deadline_ms') },
  }
}

function placeOf(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':')
  return { host: listen.slice(0, colon).replace(/^\[|\]$/gu, ''), port: Number(listen.slice(colon + 1)) }
}

function query({ value }: Read): Config['query'] {
  const listen = value('query.listen')
  return listen === undefined ? undefined : { ...placeOf(listen), publicUrl: value('query.public_url') }
}

function collector({ value }: Read): Config['collector'] {
  return {
    ...placeOf(value('collector.listen')),
    clientCaFile: value('collector.client_ca_file'),
    bytesPerSecond: value('collector.bytes_per_second'),
  }
}

function proxy(read: Read): Config['proxy'] {
  const [certFile, keyFile] = [read.value('tls.cert_file'), read.value('tls.key_file')]
  if ((certFile === undefined) !== (keyFile === undefined))
    throw invalid(
      read.as(certFile === undefined ? 'tls.cert_file' : 'tls.key_file'),
      'is missing, though the other half of the pair is there.',
    )
  return {
    allowedOrigins: read.value('allowed_origins')?.split(/,\s*/u) ?? [],
    tls: certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile },
  }
}

/** Turns environment and file into a `Config`. Throws `CONFIG_INVALID`, naming the setting, for what is unknown, unfit or contradictory. */
export function readConfig(sources: ConfigSources): Config {
  const read = readSettings(sources)
  const { value } = read
  const home = resolve(value('home'))
  const place = (name: 'store' | 'state', folder: string): FilePlace | S3Place => {
    const text = value(name)
    return text.startsWith('s3:') ? s3Place(text, read.as(name), sources.env) : filePlace(text, home, folder)
  }
  const [store, state] = [place('store', 'archive'), place('state', 'state')]
  checkPlaces(read, store, state)
  return {
    environment: value('environment'),
    home,
    bus: busConfig(read, home),
    store,
    isUnsafeStoreAllowed: value('store_unsafe'),
    state,
    secrets: secretsPlace(value('secrets'), home),
    keys: { cacheTtlMs: value('keys.cache_ttl_ms') },
    interceptor: interceptor(read),
    proxy: proxy(read),
    collector: collector(read),
    query: query(read),
    guardAllow: listOf(value('guard.allow')),
    cut: cut(read),
    retention: { days: value('retention.days'), lockMode: value('retention.lock_mode') },
    log: logOf(read),
    witness: witness(read),
    logLevel: value('log_level'),
    http: { host: value('http.host'), port: value('http.port') },
    drainTimeoutMs: value('drain_timeout_ms'),
    rulesFolder: value('rules') === undefined ? undefined : resolve(value('rules') ?? ''),
    webhook: webhook(read),
    masking: { beforeLlm: value('mask_pii_before_llm'), inLogs: value('mask_pii_in_logs') },
    chosen: entries.map(([name]) => name).filter(read.isSet),
    sections: read.sections,
  }
}
