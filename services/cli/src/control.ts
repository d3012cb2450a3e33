import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus, BusRecord } from '@muniment/bus'
import { decisionRecord, sealSnapshot, signDecision, type DecisionDraft, type Keys } from '@muniment/keys'
import {
  createControlView,
  openSnapshot,
  readDecision,
  type Applied,
  type ControlVerifier,
  type ControlView,
} from '@muniment/keys/control'
import type { Config, Logger, Task } from '@muniment/runtime'
import { decisionKey, topic, type Decision } from '@muniment/schema'
import { openBusOf, openKeysOf } from './context.ts'
import { homeFile, writeHomeFile } from './home-file.ts'
import { writeControlKeys } from './ingest-key.ts'

/** Interceptors of this machine know the name, too. */
const snapshotFile = 'control.json'
/** Decisions that come together are written together. */
const gatherMs = 5

/** What deciding needs. */
export interface ControlContext {
  readonly config: Config
  readonly bus: Bus
  readonly keys: Keys
}

/** Lends what decisions are read and made with. */
export async function withControl<T>(
  config: Config,
  act: (context: ControlContext) => Promise<T>,
): Promise<T> {
  await using bus = await openBusOf(config)
  await using keyContext = await openKeysOf(config)
  return await act({ config, bus, keys: keyContext.keys })
}

/** A view, and what ends the reading into it. */
export interface Reading {
  readonly view: ControlView
  readonly signal: AbortSignal
}

/** What was in force when the snapshot was written; nothing where there is none that a control key signed. */
async function lastSnapshot(config: Config, verifier: ControlVerifier): Promise<readonly Decision[]> {
  if (config.bus.kind !== 'embedded') return []
  try {
    const text = await readFile(homeFile(config, snapshotFile), 'utf8')
    return openSnapshot(verifier, text)?.decisions ?? []
  } catch {
    return []
  }
}

async function openView({ config }: ControlContext, verifier: ControlVerifier): Promise<ControlView> {
  const view = createControlView({ now: Date.now })
  for (const decision of await lastSnapshot(config, verifier)) view.apply(decision)
  return view
}

/** Whether anything was new. */
async function readInto({ bus, keys }: ControlContext, { view, signal }: Reading): Promise<boolean> {
  let isNew = false
  const verifier = await keys.controlVerifier()
  for await (const { value } of bus.read({ topic: topic.control, untilEnd: true, signal })) {
    const decision = readDecision(verifier, value, view)
    if (typeof decision !== 'string' && view.apply(decision) === 'applied') isNew = true
  }
  return isNew
}

/** The decisions in force; records that are none or that nobody signed are passed over. */
export async function readControl(context: ControlContext, signal: AbortSignal): Promise<ControlView> {
  const view = await openView(context, await context.keys.controlVerifier())
  await readInto(context, { view, signal })
  return view
}

/** Where the bus is this machine's own, its interceptors read what is in force from a file. */
async function writeSnapshot({ config, keys }: ControlContext, view: ControlView): Promise<void> {
  if (config.bus.kind !== 'embedded') return
  await writeControlKeys(config, keys)
  const snapshot = { takenMs: Date.now(), decisions: view.list() }
  await writeHomeFile(config, snapshotFile, sealSnapshot(await keys.controlSigner(), snapshot))
}

/** Signs and publishes a decision; with the embedded bus it is in force for this machine's guards when this resolves. */
export async function decide(
  context: ControlContext,
  reading: Reading,
  draft: DecisionDraft,
): Promise<Decision> {
  const { view } = reading
  const signer = await context.keys.controlSigner()
  const decision = signDecision(draft, { signer, nowMs: Date.now(), previous: view.last(decisionKey(draft)) })
  await context.bus.publish(topic.control, [decisionRecord(decision)])
  view.apply(decision)
  await writeSnapshot(context, view)
  // Others may have decided meanwhile: for who starts later, a snapshot without theirs would lift what they did.
  if (await readInto(context, reading)) await writeSnapshot(context, view)
  return decision
}

/** Writes snapshots one after another, several decisions at once where they come together. */
function createWriter(
  context: ControlContext,
  view: ControlView,
  log: Logger,
): { readonly due: () => void; readonly done: () => Promise<void> } {
  let isDue = false
  let writing = Promise.resolve()
  const write = async (): Promise<void> => {
    await sleep(gatherMs)
    isDue = false
    try {
      await writeSnapshot(context, view)
    } catch (error) {
      log.error('control.unwritten', { error })
    }
  }
  return {
    due: () => {
      if (isDue) return
      isDue = true
      writing = writing.then(write)
    },
    done: async () => writing,
  }
}

interface Keeping {
  readonly view: ControlView
  readonly verifier: ControlVerifier
  readonly log: Logger
}

/** Takes in one record; returns the decision that it hides, for of a compacted topic only the newest record of a key is kept. */
function take(
  { view, verifier, log }: Keeping,
  { key, value, offset }: BusRecord,
): Applied | Decision | undefined {
  const decision = readDecision(verifier, value)
  const outcome = typeof decision === 'string' ? decision : view.apply(decision)
  if (outcome === 'applied' || outcome === 'known') return outcome
  log.warn('control.refused', { why: outcome, offset })
  return key === null ? undefined : view.find(key)
}

/** Keeps decisions in force: brings back what a forged or old record hides, and keeps the snapshot of this machine's interceptors new. */
export function controlTask(context: ControlContext, log: Logger): Task {
  async function run(signal: AbortSignal): Promise<void> {
    const verifier = await context.keys.controlVerifier()
    const view = await openView(context, verifier)
    const writer = createWriter(context, view, log)
    for await (const record of context.bus.read({ topic: topic.control, signal })) {
      const outcome = take({ view, verifier, log }, record)
      if (outcome === 'applied') writer.due()
      else if (typeof outcome === 'object')
        await context.bus.publish(topic.control, [decisionRecord(outcome)])
    }
    await writer.done()
  }
  return { run }
}
