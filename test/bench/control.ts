// How long a decision takes until a guarded server refuses what it forbids: on the embedded bus and, where its servers are installed, on Kafka.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tap } from '@muniment/interceptor'
import { enforceDecisions } from '@muniment/interceptor/guard'
import { createControlView } from '@muniment/keys/control'
import { createLogger, readConfig } from '@muniment/runtime'
import { percentile } from '../../services/cli/src/bench/pipeline.ts'
import { openBusOf, openKeysOf } from '../../services/cli/src/context.ts'
import { controlTask, decide } from '../../services/cli/src/control.ts'
import { publishControlKeys, publishIngestKey } from '../../services/cli/src/ingest-key.ts'
import { hasKafkaLibs } from '../lanes/kafka-libs.ts'
import { startKafka } from '../lanes/kafka.ts'
import type { Figure } from './figure.ts'

const decisions = 200
const bar = 500
const lookEveryMs = 1

interface Guarded {
  /** Whether a call of this tool gets through to the server. */
  readonly passes: (tool: string) => boolean
}

async function nothing(): Promise<void> {
  await Promise.resolve()
}

/** A server behind a guard, without an SDK in front of it. */
async function startGuarded(home: string, bus: string): Promise<Guarded> {
  let reached = 0
  const transport = {
    start: nothing,
    send: nothing,
    close: nothing,
    onmessage: (_message: unknown): void => {
      reached += 1
    },
  }
  tap(transport, { home, bus, role: 'server', serverName: 'bench', guard: enforceDecisions() })
  await transport.start()
  return {
    passes: name => {
      const before = reached
      transport.onmessage({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } })
      return reached > before
    },
  }
}

async function measure(env: Readonly<Record<string, string>>): Promise<readonly number[]> {
  const config = readConfig({ env })
  await publishIngestKey(config)
  await publishControlKeys(config)
  await using bus = await openBusOf(config)
  await using keyContext = await openKeysOf(config)
  await bus.createTopics()
  // A broker that has just started does not lead its partitions yet: publishing waits for that.
  await bus.publish('mcp.signals', [{ key: 'probe', value: new Uint8Array(1), headers: {} }])
  const context = { config, bus, keys: keyContext.keys }
  const stop = new AbortController()
  const keeper = controlTask(context, createLogger({ name: 'bench', level: 'error' })).run(stop.signal)
  const guarded = await startGuarded(config.home, env['MUNIMENT_BUS'] ?? 'embedded:')
  const view = createControlView({ now: Date.now })
  const { signal } = stop
  const took: number[] = []
  const draft = { scope: 'tool', action: 'block', reason: 'bench', lifeMs: 600_000 } as const
  for (let n = -5; n < decisions; n++) {
    const value = `tool-${n}`
    const beginMs = performance.now()
    const decided = decide(context, { view, signal }, { ...draft, value })
    while (guarded.passes(value)) await sleep(lookEveryMs)
    // The first few open connections and groups.
    if (n >= 0) took.push(performance.now() - beginMs)
    await decided
  }
  stop.abort()
  await keeper
  return took
}

async function withHome<T>(work: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-bench-control-'))
  try {
    return await work(home)
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 10 })
  }
}

function figures(where: string, took: readonly number[]): readonly Figure[] {
  const p99 = percentile(took, 0.99)
  return [
    { name: `decision → effect, ${where}, p50`, value: percentile(took, 0.5), unit: 'ms' },
    { name: `decision → effect, ${where}, p99`, value: p99, unit: 'ms', reference: bar, ratio: p99 / bar },
  ]
}

async function onKafka(): Promise<readonly Figure[]> {
  if (!hasKafkaLibs()) return []
  await using kafka = await startKafka()
  const bus = `kafka://${kafka.brokers.join(',')}`
  return await withHome(async home =>
    figures('Kafka', await measure({ MUNIMENT_HOME: home, MUNIMENT_BUS: bus })),
  )
}

export async function run(): Promise<readonly Figure[]> {
  const embedded = await withHome(async home => measure({ MUNIMENT_HOME: home }))
  return [...figures('embedded', embedded), ...(await onKafka())]
}
