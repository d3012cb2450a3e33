import type { KeyObject } from 'node:crypto'
import { setImmediate as nextTick } from 'node:timers/promises'
import type { Bus, OutgoingRecord } from '@muniment/bus'
import { retryWhileUnreachable, type Logger } from '@muniment/runtime'
import { topic, type Frame, type Observation } from '@muniment/schema'
import type { Assembler } from './assembler.ts'
import { buildEvent, type BuiltEvent, type Mask } from './build-event.ts'
import { createDigest, type Digest } from './digest.ts'
import type { Lanes } from './lanes.ts'
import type { Unseal } from './open-batch.ts'

/** What work on a partition needs. */
export interface WorkOptions {
  readonly bus: Bus
  readonly log: Logger
  readonly unseal: Unseal
  /** The tenant's digest key. */
  readonly digestKey: (tenant: string) => Promise<KeyObject>
  /** The mask under the current keys; asked for once in a fetch. */
  readonly openMask: () => Promise<Mask>
  /** 16 fresh random bytes as hex. */
  readonly nonce: () => string
  /** Version of this program, for the gap events it makes. */
  readonly version: string
  /** Told of every batch that was done with. */
  readonly onDone?: (done: { readonly events: number; readonly deadLetters: number }) => void
}

/** What is remembered of one partition between fetches. */
export interface PartitionState {
  readonly partition: number
  readonly lanes: Lanes
  readonly assembler: Assembler
}

/** Work on one fetch of one partition. */
export interface Work {
  readonly options: WorkOptions
  readonly state: PartitionState
  readonly signal: AbortSignal
  /** Events that are built but not yet published. */
  outgoing: OutgoingRecord[]
  outgoingBytes: number
  readonly digests: Map<string, Digest>
  mask: Mask | undefined
  sliceEndMs: number
}

/** An observation with the frame it came in. */
export interface Opened {
  readonly frame: Frame
  readonly observation: Observation
}

/** Bytes of events collected before they are published. */
const flushBytes = 4 * 1024 * 1024

/** Longest stretch of work before other tasks get their turn. */
const sliceMs = 10

export function beginWork(options: WorkOptions, state: PartitionState, signal: AbortSignal): Work {
  return {
    options,
    state,
    signal,
    outgoing: [],
    outgoingBytes: 0,
    digests: new Map(),
    mask: undefined,
    sliceEndMs: performance.now() + sliceMs,
  }
}

/** Tries again, with growing pauses, for as long as a dependency cannot be reached and nobody aborts. */
export async function persist<T>({ signal, options: { log } }: Work, attempt: () => Promise<T>): Promise<T> {
  return retryWhileUnreachable(attempt, { signal, log })
}

/** The tenant's digest, whose key is asked for once in a fetch. */
async function digestOf(work: Work, tenant: string): Promise<Digest> {
  const digest = createDigest(await persist(work, async () => work.options.digestKey(tenant)))
  work.digests.set(tenant, digest)
  return digest
}

/** Builds once more where persons were met for whom the vault had to make, or look up, a token. */
async function buildWhole(
  work: Work,
  mask: Mask,
  once: () => BuiltEvent | Promise<BuiltEvent>,
): Promise<BuiltEvent> {
  const { vaulted } = mask
  const before = vaulted?.lacked()
  const built = once()
  const event = built instanceof Promise ? await built : built
  if (vaulted === undefined || vaulted.lacked() === before) return event
  await persist(work, vaulted.settle)
  return await once()
}

/** Masks one observation; yields to other tasks when it has worked for long. */
export async function build(work: Work, opened: Opened, laneSuffix: string): Promise<BuiltEvent> {
  const { nonce, openMask } = work.options
  const mask = (work.mask ??= await persist(work, openMask))
  const { tenant } = opened.observation
  const digest = work.digests.get(tenant) ?? (await digestOf(work, tenant))
  const event = await buildWhole(work, mask, () =>
    buildEvent({ ...opened, laneSuffix }, { mask, digest, nonce }),
  )
  if (performance.now() >= work.sliceEndMs) {
    await nextTick()
    work.sliceEndMs = performance.now() + sliceMs
  }
  return event
}

/** Queues events of one lane for the partition of `mcp.events` with the same number. */
export async function queue(work: Work, lane: string, events: readonly BuiltEvent[]): Promise<void> {
  const { partition } = work.state
  for (const { value, headers } of events) {
    work.outgoing.push({ key: lane, value, headers, partition })
    work.outgoingBytes += value.length
  }
  if (work.outgoingBytes >= flushBytes) await flush(work)
}

/** Resolves when every queued event is durable. */
export async function flush(work: Work): Promise<void> {
  const records = work.outgoing
  if (records.length === 0) return
  work.outgoing = []
  work.outgoingBytes = 0
  await persist(work, async () => work.options.bus.publish(topic.events, records))
}
