import { resolve } from 'node:path'
import { AppError } from '@muniment/schema'
import { deviceOf, isCollector } from './collector/settings.ts'
import { deliveryOf } from './delivery/settings.ts'
import { kafkaSettings, type KafkaSettings } from './kafka-settings.ts'
import type { AttachOptions } from './options.ts'
import type { Settings } from './settings.ts'
import { fenced, throttled, type Problem } from './problem.ts'

type Environment = Readonly<Record<string, string | undefined>>

const tenantForm = /^[a-z0-9][a-z0-9_.-]{0,62}$/u
const mebibyte = 1024 * 1024

/** One line on stderr: stdout belongs to the protocol. */
function tell({ code, message, hint }: Problem): void {
  process.stderr.write(`muniment: ${code}: ${message} ${hint}\n`)
}

const tellSeldom = throttled(tell, () => performance.now())
/** Certificates and the like are read once, not for every connection that is observed. */
const knownBrokers = new Map<string, KafkaSettings>()

function checkedTenant(tenant: string): string {
  if (tenantForm.test(tenant)) return tenant
  throw new AppError('CONFIG_INVALID', `The tenant ${JSON.stringify(tenant.slice(0, 80))} is not a name.`, {
    hint: 'Use up to 63 lower-case letters, digits, dots, dashes and underscores in MUNIMENT_TENANT.',
  })
}

function checkedBus(bus: string): string {
  if (bus === 'embedded:' || bus.startsWith('kafka://') || isCollector(bus)) return bus
  throw new AppError(
    'CONFIG_INVALID',
    `An interceptor cannot publish to ${JSON.stringify(bus.slice(0, 80))}.`,
    {
      hint: 'Set MUNIMENT_BUS to embedded:, kafka://host:port,… or https://host of a collector, without credentials.',
    },
  )
}

function checkedBytes(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new AppError('CONFIG_INVALID', `The setting ${name} is ${value}, not a positive number of bytes.`)
}

function numberOf(value: string | undefined): number | undefined {
  return value === undefined || value === '' ? undefined : Number(value)
}

function listOf(value: string | undefined): readonly string[] {
  return (value ?? '').split(',').flatMap(one => one.trim() || [])
}

function whetherOf(name: string, value: string | undefined): boolean | undefined {
  if (value === undefined || value === '') return undefined
  if (value === 'true' || value === 'false') return value === 'true'
  throw new AppError(
    'CONFIG_INVALID',
    `${name} is ${JSON.stringify(value.slice(0, 20))}, neither true nor false.`,
  )
}

/** The value that was given, else the one of the environment, where an empty one counts as none. */
function given(option: string | undefined, variable: string | undefined): string | undefined {
  return option ?? (variable === '' ? undefined : variable)
}

function limitsOf(
  options: AttachOptions,
  environment: Environment,
): Pick<Settings, 'ringMaxBytes' | 'spoolMaxBytes'> {
  const ring = options.ringMaxBytes ?? numberOf(environment['MUNIMENT_RING_MAX_BYTES']) ?? 32 * mebibyte
  const spool = options.spoolMaxBytes ?? numberOf(environment['MUNIMENT_SPOOL_MAX_BYTES']) ?? 1024 * mebibyte
  return {
    ringMaxBytes: checkedBytes('MUNIMENT_RING_MAX_BYTES', ring),
    spoolMaxBytes: checkedBytes('MUNIMENT_SPOOL_MAX_BYTES', spool),
  }
}

function brokersOf(
  bus: string,
  { kafka }: AttachOptions,
  environment: Environment,
): KafkaSettings | undefined {
  if (!bus.startsWith('kafka://') || kafka !== undefined) return kafka
  const known = knownBrokers.get(bus)
  if (known !== undefined) return known
  const settings = kafkaSettings(bus, environment)
  knownBrokers.set(bus, settings)
  return settings
}

/** Completes options from the environment. Throws `CONFIG_INVALID` for a value that cannot be meant. */
export function readSettings(options: AttachOptions = {}, environment: Environment = process.env): Settings {
  const bus = checkedBus(given(options.bus, environment['MUNIMENT_BUS']) ?? 'embedded:')
  return {
    bus,
    kafka: brokersOf(bus, options, environment),
    device: deviceOf(bus, options, environment),
    home: resolve(given(options.home, environment['MUNIMENT_HOME']) ?? '.muniment'),
    tenant: checkedTenant(given(options.tenant, environment['MUNIMENT_TENANT']) ?? 'default'),
    serverName: given(options.serverName, environment['MUNIMENT_SERVER_NAME']),
    ingestKey: given(options.ingestKey, environment['MUNIMENT_INGEST_KEY']),
    controlKey: given(options.controlKey, environment['MUNIMENT_CONTROL_KEY']),
    maskBeforeLlm: whetherOf('MASK_PII_BEFORE_LLM', environment['MASK_PII_BEFORE_LLM']),
    delivery: deliveryOf(options, environment),
    guardAllow: options.guardAllow ?? listOf(environment['MUNIMENT_GUARD_ALLOW']),
    topicPrefix: given(options.topicPrefix, environment['MUNIMENT_TOPIC_PREFIX']),
    onProblem: options.onProblem === undefined ? tellSeldom : fenced(options.onProblem),
    ...limitsOf(options, environment),
  }
}
