import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { VerifyReport } from '@muniment/archive'
import type { Bus } from '@muniment/bus'
import { alertSchema, AppError, eventSchema, topic, type Alert } from '@muniment/schema'
import { verifyArchiveOf } from '../verify-archive.ts'
import type { WorkerContext } from '../workers.ts'
import { conversation, ordinaryWord, plantedValues } from './conversation.ts'
import { drive, type Driven } from './drive.ts'

/** What the demonstration came to. */
export interface DemoResult extends Driven {
  /** Findings by kind of personal data. */
  readonly kinds: ReadonlyMap<string, number>
  /** Planted personal values that are in an event: none, if the masker does its work. */
  readonly leaked: readonly string[]
  readonly hasOrdinaryWord: boolean
  readonly alerts: readonly Alert[]
  readonly events: number
  readonly report: VerifyReport
}

/** What the demonstration needs of the process it runs in. */
export interface DemoOptions {
  readonly context: WorkerContext
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly onProgress: (line: string) => void
}

const pollMs = 250
const patienceMs = 120_000

async function readSince(bus: Bus, name: string, sinceMs: number): Promise<readonly string[]> {
  const values: string[] = []
  const signal = AbortSignal.timeout(patienceMs)
  for await (const record of bus.read({ topic: name, untilEnd: true, signal }))
    if (record.timestampMs >= sinceMs) values.push(Buffer.from(record.value).toString())
  return values
}

/** Makes the calls of the conversation under `muniment wrap`, as a client would. */
export async function makeCalls({ context: { config }, env, onProgress }: DemoOptions): Promise<Driven> {
  const folder = join(config.home, 'demo')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const steps = conversation(folder)
  const inherited = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return drive(steps, {
    folder,
    env: { ...Object.fromEntries(inherited), MUNIMENT_HOME: config.home },
    onCall: made => onProgress(`Calling real MCP servers under muniment wrap … ${made} of ${steps.length}`),
  })
}

/** Whether every record of the topics is archived and below the log's checkpoint. */
async function isAnchored(bus: Bus, report: VerifyReport): Promise<boolean> {
  const until = report.anchored?.until ?? []
  for (const name of [topic.events, topic.alerts])
    for (const { partition, firstOffset, nextOffset } of await bus.describe(name)) {
      if (nextOffset === firstOffset) continue
      const covered = until.find(place => place.topic === name && place.partition === partition)
      if (covered === undefined || covered.next_offset < nextOffset) return false
    }
  return true
}

async function untilAnchored(
  { context, signal, onProgress }: DemoOptions,
  events: number,
): Promise<VerifyReport> {
  const { config, bus, keys } = context
  const deadlineMs = performance.now() + patienceMs
  while (performance.now() < deadlineMs) {
    signal.throwIfAborted()
    const report = await verifyArchiveOf(config, { keys, signal })
    onProgress(`Waiting until they are archived and anchored … ${report.checked.records} records`)
    if (report.checked.records >= events && (await isAnchored(bus, report))) return report
    await sleep(pollMs, undefined, { signal })
  }
  throw new AppError('SERVICE_ERROR', `The calls were not archived within ${patienceMs / 1000} s.`, {
    hint: `Look into ${join(config.home, 'muniment.log')}.`,
  })
}

/** An interceptor's lane has ended when its end event has come; each server had one lane. */
async function untilLanesEnded(
  { context: { bus }, signal }: DemoOptions,
  sinceMs: number,
): Promise<readonly string[]> {
  const deadlineMs = performance.now() + patienceMs
  while (performance.now() < deadlineMs) {
    const values = await readSince(bus, topic.events, sinceMs)
    const states = values.map(value => eventSchema.parse(JSON.parse(value)).lane?.state)
    const [begun, ended] = ['start', 'end'].map(state => states.filter(each => each === state).length)
    if (begun === 3 && ended === 3) return values
    await sleep(pollMs, undefined, { signal })
  }
  throw new AppError('SERVICE_ERROR', `The calls did not come through within ${patienceMs / 1000} s.`)
}

function countKinds(values: readonly string[]): ReadonlyMap<string, number> {
  const kinds = new Map<string, number>()
  for (const value of values)
    for (const { type, count, action } of eventSchema.parse(JSON.parse(value)).pii.findings)
      if (action !== 'keep') kinds.set(type, (kinds.get(type) ?? 0) + count)
  return kinds
}

/** Calls, waits until everything is archived and anchored, and verifies it. */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const sinceMs = Date.now()
  const driven = await makeCalls(options)
  options.onProgress('Waiting until they are masked …')
  const values = await untilLanesEnded(options, sinceMs)
  const report = await untilAnchored(options, values.length)
  const alerts = await readSince(options.context.bus, topic.alerts, sinceMs)
  const whole = values.join('\n')
  return {
    ...driven,
    events: values.length,
    kinds: countKinds(values),
    leaked: Object.entries(plantedValues).flatMap(([kind, value]) => (whole.includes(value) ? [kind] : [])),
    hasOrdinaryWord: whole.includes(ordinaryWord),
    alerts: alerts.map(value => alertSchema.parse(JSON.parse(value))),
    report,
  }
}
