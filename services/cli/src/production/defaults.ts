import type { Config, SettingName } from '@muniment/runtime'
import { verdicts, type Check, type Finding } from './finding.ts'

interface Default {
  readonly name: SettingName
  readonly env: string
  /** What the default means in production. */
  readonly means: string
  readonly better: string
  /** What to set where the default is meant. */
  readonly same: string
}

/** Defaults that suit a first try; who means them in production says so. */
const defaults: readonly Default[] = [
  {
    name: 'bus',
    env: 'MUNIMENT_BUS',
    means: 'everything waits on one machine',
    better: 'kafka://host:port',
    same: 'embedded:',
  },
  {
    name: 'store',
    env: 'MUNIMENT_STORE',
    means: 'who can write to the folder can remove evidence',
    better: 's3://bucket/prefix',
    same: 'file:',
  },
  {
    name: 'secrets',
    env: 'MUNIMENT_SECRETS',
    means: 'keys lie in files beside what they protect',
    better: 'aws:',
    same: 'file:',
  },
  {
    name: 'tenant',
    env: 'MUNIMENT_TENANT',
    means: 'all records belong to the tenant “default”',
    better: 'a name of yours',
    same: 'default',
  },
  {
    name: 'log.name',
    env: 'MUNIMENT_LOG_NAME',
    means: 'proofs bear a name that everybody’s trial has, and it can never be changed',
    better: 'a domain and path of yours',
    same: 'muniment.local/log',
  },
]

const ofProxy = new Set<SettingName>(['bus', 'tenant'])

const defaultsInPlace: Check = ({ config, starting }) => {
  if (config === undefined) return []
  const concerned = defaults.filter(({ name }) => starting !== 'proxy' || ofProxy.has(name))
  return concerned.map(({ name, env, means, better, same }) => {
    const { fine, must } = verdicts(env)
    if (config.chosen.includes(name)) return fine('was chosen')
    return must(
      `is not set: ${means}.`,
      `Set ${env} to ${better}; where the default is meant, say so with ${env}=${same}.`,
    )
  })
}

const riskChecks: readonly ((config: Config) => Finding | undefined)[] = [
  ({ isUnsafeStoreAllowed }) =>
    isUnsafeStoreAllowed
      ? verdicts('MUNIMENT_STORE_UNSAFE').must(
          'is true: what is archived can be removed.',
          'Use a bucket with Object Lock, and unset it.',
        )
      : undefined,
  ({ masking }) =>
    masking.inLogs === false
      ? verdicts('MASK_PII_IN_LOGS').must(
          'is false: personal data reaches the logs.',
          'Unset it, or set it to true.',
        )
      : undefined,
  ({ logLevel }) =>
    logLevel === 'silent'
      ? verdicts('MUNIMENT_LOG_LEVEL').must(
          'is silent: nobody would hear of a fault.',
          'Set MUNIMENT_LOG_LEVEL=info, or warn.',
        )
      : undefined,
  ({ webhook }) =>
    webhook?.url.startsWith('http:') === true
      ? verdicts('MUNIMENT_WEBHOOK_URL').must(
          'has no TLS: alerts can be read and withheld on the way.',
          'Write https://….',
        )
      : undefined,
  ({ bus }) =>
    bus.kind === 'kafka' && (bus.tls === undefined || bus.tls === false)
      ? verdicts('MUNIMENT_KAFKA_TLS').should(
          'is off: brokers are reached without TLS.',
          'Set MUNIMENT_KAFKA_TLS=true, unless the network between is yours alone.',
        )
      : undefined,
  ({ retention }) =>
    retention.lockMode === 'governance'
      ? verdicts('MUNIMENT_LOCK_MODE').should(
          'is governance: who has a permission can remove evidence.',
          'Set MUNIMENT_LOCK_MODE=compliance.',
        )
      : undefined,
  ({ witness }) =>
    witness.policyFile === undefined
      ? verdicts('MUNIMENT_WITNESS_POLICY_FILE').should(
          'is not set: nobody else vouches that the log only grew.',
          'Have it witnessed; see `muniment witness --help`.',
        )
      : undefined,
]

const risks: Check = ({ config, starting }) => {
  if (config === undefined || starting === 'proxy') return []
  return riskChecks.flatMap(check => check(config) ?? [])
}

/** What was left as it came, and what was set against the advice of the documents. */
export const settingChecks: readonly Check[] = [defaultsInPlace, risks]
