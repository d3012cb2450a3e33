import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { CollectorOptions } from '@muniment/interceptor/collector'
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

/** Takes sealed batches from enrolled devices and puts them on the bus. */
export function collectorTask(context: CollectorContext): Task {
  const { config, bus, state, log } = context
  const authenticate = createDeviceCheck({ state, now: Date.now, randomBytes })
  async function run(signal: AbortSignal): Promise<void> {
    const { startCollector } = await import('@muniment/interceptor/collector')
    const { host, port, bytesPerSecond } = config.collector
    const collector = await startCollector({
      host,
      port,
      bytesPerSecond,
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
