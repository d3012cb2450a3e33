import type { Batch, Bus, Consumer, Position, TopicPartition } from '@muniment/bus'
import type { Logger } from '@muniment/runtime'
import { AppError, topic } from '@muniment/schema'
import {
  openPartition,
  type PartitionArchiver,
  type PartitionContext,
  type PartitionEvent,
} from './partition.ts'

/** What one member of the archiver's group works with. */
export interface MemberOptions {
  readonly bus: Bus
  readonly log: Logger
  /** Bytes of records in memory above which nothing more is fetched. */
  readonly maxHeldBytes: number
  readonly context: Omit<PartitionContext, 'onEvent' | 'signal'>
  readonly onEvent: (event: PartitionEvent) => void
}

const group = 'muniment.archiver'
const topics = [topic.events, topic.alerts, topic.control]

function nameOf({ topic: name, partition }: TopicPartition): string {
  return `${name}/${partition}`
}

/** A bus that ends before the archive does is not the one the archive was made from: its records would be taken for old ones. */
async function assertSameBus(bus: Bus, { place, position }: PartitionArchiver): Promise<void> {
  const states = await bus.describe(place.topic)
  const nextOffset = states.find(state => state.partition === place.partition)?.nextOffset ?? 0
  if (position() <= nextOffset) return
  throw new AppError(
    'CONFIG_INVALID',
    `The archive of ${nameOf(place)} ends at offset ${position()}, but the bus ends at ${nextOffset}.`,
    {
      hint: 'Archive and bus do not belong together: use the bus the archive was made from, or an empty store.',
    },
  )
}

interface Member {
  readonly options: MemberOptions
  readonly held: Map<string, PartitionArchiver>
  readonly paused: Set<string>
  readonly failed: AbortController
  readonly stop: AbortSignal
  consumer: Consumer | undefined
  isOverBudget: boolean
}

function applyPauses(member: Member): void {
  const { held, paused, consumer, options } = member
  const bytes = [...held.values()].reduce((sum, each) => sum + each.heldBytes(), 0)
  // Below half, so that fetching does not stop and go with every record.
  member.isOverBudget = bytes > (member.isOverBudget ? options.maxHeldBytes / 2 : options.maxHeldBytes)
  for (const [name, each] of held) {
    const shouldPause = member.isOverBudget || each.isSaturated()
    if (shouldPause === paused.has(name)) continue
    if (shouldPause) paused.add(name)
    else paused.delete(name)
    consumer?.[shouldPause ? 'pause' : 'resume']([each.place])
  }
}

function onArchived(
  { consumer, options }: Member,
  { place, kind, manifest }: PartitionEvent & { readonly kind: 'committed' | 'lost' },
): void {
  const { topic: name, partition } = place
  const position = { topic: name, partition, offset: manifest.manifest.next_offset }
  if (kind === 'lost') consumer?.seek(position)
  // Only an optimisation: the position comes from the manifests.
  consumer
    ?.commit([position])
    .catch((error: unknown) => options.log.debug('archiver.commit_failed', { ...position, error }))
}

function onEvent(member: Member, event: PartitionEvent): void {
  member.options.onEvent(event)
  if (event.kind === 'changed') applyPauses(member)
  else if (event.kind !== 'failed') onArchived(member, event)
  else if (!member.stop.aborted) member.failed.abort(event.error)
}

async function assign(member: Member, place: TopicPartition): Promise<Position> {
  const { bus, context } = member.options
  const opened = await openPartition(place, {
    ...context,
    signal: member.stop,
    onEvent: event => onEvent(member, event),
  })
  const { stop: signal } = member
  await context.retry({ place, signal, attempt: () => assertSameBus(bus, opened) })
  member.held.set(nameOf(place), opened)
  member.paused.delete(nameOf(place))
  return { topic: place.topic, partition: place.partition, offset: opened.position() }
}

async function release({ held }: Member, names: readonly string[]): Promise<void> {
  const leaving = [...held].filter(([name]) => names.includes(name))
  await Promise.all(leaving.map(([, each]) => each.close()))
  for (const [name] of leaving) held.delete(name)
}

/** Joins the group and archives until `signal` aborts. Rejects when it cannot go on. */
export async function runMember(options: MemberOptions, signal: AbortSignal): Promise<void> {
  const failed = new AbortController()
  const member: Member = {
    options,
    held: new Map(),
    paused: new Set(),
    failed,
    stop: AbortSignal.any([signal, failed.signal]),
    consumer: undefined,
    isOverBudget: false,
  }
  member.consumer = options.bus.consume({
    group,
    topics,
    signal: member.stop,
    onAssign: places => Promise.all(places.map(place => assign(member, place))),
    onRevoke: places => release(member, places.map(nameOf)),
    onBatch: (batch: Batch) => Promise.resolve(member.held.get(nameOf(batch))?.accept(batch)),
  })
  try {
    await member.consumer.done
  } finally {
    await release(member, [...member.held.keys()])
  }
  failed.signal.throwIfAborted()
}
