import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { CollectorOptions, ControlRelay } from '@muniment/interceptor/collector'
import type { Bus } from '@muniment/bus'
import type { Config, Logger, Metrics, Task } from '@muniment/runtime'
import { AppError, topic } from '@muniment/schema'
import type { StateStore } from '@muniment/state'
import { createDeviceCheck } from './devices.ts'

/** What a collector is made of. */
export interface CollectorContext {
  readonly config: Config
  readonly bus: Bus
  readonly state: StateStore
  readonly log: Logger
  readonly metrics: Metrics
}

function pem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `${path} cannot be read.`, { cause })
  }
}

function tlsOf({ proxy: { tls }, collector: { clientCaFile } }: Config): Pick<CollectorOptions, 'tls'> {
  if (tls === undefined && clientCaFile !== undefined)
    throw new AppError('CONFIG_INVALID', 'MUNIMENT_COLLECTOR_CLIENT_CA asks for certificates without TLS.', {
      hint: 'Set MCP_TLS_CERT and MCP_TLS_KEY.',
    })
  if (tls === undefined) return {}
  const clientCa = clientCaFile === undefined ? undefined : pem(clientCaFile)
  return { tls: { cert: pem(tls.certFile), key: pem(tls.keyFile), clientCa } }
}

const outcomes = [
  'taken',
  'unknown_device',
  'foreign_lane',
  'malformed',
  'cut',
  'too_large',
  'too_fast',
  'busy',
  'bus_away',
  'failed',
] as const

function reporting({ log, metrics }: CollectorContext): Pick<CollectorOptions, 'onTaken' | 'onFailure'> {
  const requests = metrics.counter({
    name: 'collector_requests_total',
    help: 'Requests of devices, by what became of them.',
    labels: { why: outcomes },
  })
  const records = metrics.counter({ name: 'collector_records_total', help: 'Sealed records put on the bus.' })
  return {
    onTaken: ({ why, status, device, records: taken = 0 }) => {
      requests(1, { why })
      records(taken)
      if (status !== 204) log.warn('collector.refused', { why, status, device })
    },
    onFailure: error => log.error('collector.failed', { error }),
  }
}

/** Passes decisions on to devices, where there is a key to verify them with. */
async function openRelay({ config, log }: CollectorContext): Promise<ControlRelay | undefined> {
  const { createControlRelay, readControlKeys } = await import('@muniment/interceptor/collector')
  const publicKeys = readControlKeys({ home: config.home, controlKey: config.interceptor.controlKey })
  if (publicKeys.length > 0) return createControlRelay({ publicKeys, nowMs: Date.now })
  log.warn('collector.no_control', {
    hint: 'Set MUNIMENT_CONTROL_KEY: devices get no decisions and no announced keys.',
  })
  return undefined
}

function relayTask({ bus, log }: CollectorContext, relay: ControlRelay): Task {
  return {
    run: async signal => {
      for await (const { value, offset } of bus.read({ topic: topic.control, signal })) {
        const outcome = value.length === 0 ? 'known' : relay.take(value)
        if (outcome !== 'applied' && outcome !== 'known')
          log.warn('control.refused', { why: outcome, offset })
      }
    },
  }
}

/** Takes sealed batches from enrolled devices and puts them on the bus, and tells devices what was decided. */
export async function collectorTasks(context: CollectorContext): Promise<Readonly<Record<string, Task>>> {
  const relay = await openRelay(context)
  const collector = collectorTask(context, relay)
  return relay === undefined ? { collector } : { collector, control: relayTask(context, relay) }
}

function collectorTask(context: CollectorContext, control: ControlRelay | undefined): Task {
  const { config, bus, state, log } = context
  const authenticate = createDeviceCheck({ state, now: Date.now, randomBytes })
  async function run(signal: AbortSignal): Promise<void> {
    const { startCollector } = await import('@muniment/interceptor/collector')
    const { host, port, bytesPerSecond } = config.collector
    const collector = await startCollector({
      host,
      port,
      bytesPerSecond,
      ...(control !== undefined && { control }),
      ...tlsOf(config),
      ...reporting(context),
      authenticate,
      publish: records => bus.publish(topic.raw, records),
    })
    log.info('collector.listening', { url: collector.url })
    if (!signal.aborted) await once(signal, 'abort')
    await collector.close(config.drainTimeoutMs)
  }
  return { run }
}
