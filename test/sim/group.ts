// Consumer groups as a coordinator far away sees them: it learns of deaths late, takes the silent for dead, and gives their
// partitions to others while they may still be at work.
import type { Position, TopicPartition } from '@muniment/bus'
import type { Broker } from './broker.ts'
import type { Member } from './member.ts'

/** One group, and what it knows for certain: committed offsets. */
export interface Group {
  readonly name: string
  readonly offsets: Map<string, number>
  /** Those the coordinator believes to be alive. */
  readonly members: () => readonly Member[]
  /** Those that were taken for dead, live, and have not heard of it: what they do may still arrive. */
  readonly strays: () => readonly Member[]
  readonly join: (member: Member) => void
  /** In order: the member has given everything back. */
  readonly leave: (member: Member) => void
  /** Taken for dead; others get its partitions. */
  readonly evict: (member: Member) => void
}

const sessionTimeoutMs = 6000
const rebalanceTimeoutMs = 5000

export function placeName({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

export function partitionsOf(broker: Broker, topics: readonly string[]): readonly TopicPartition[] {
  return topics.flatMap(topic =>
    (broker.logs.get(topic) ?? []).map((_, partition): TopicPartition => ({ topic, partition })),
  )
}

function share(broker: Broker, members: readonly Member[]): Map<Member, TopicPartition[]> {
  const shares = new Map<Member, TopicPartition[]>(members.map(member => [member, []]))
  const [first] = members
  if (first === undefined) return shares
  const turn = broker.surroundings.random.int(members.length)
  for (const [index, place] of partitionsOf(broker, first.topics).entries()) {
    const member = members[(index + turn) % members.length]
    if (member !== undefined) shares.get(member)?.push(place)
  }
  return shares
}

export function createGroup(broker: Broker, name: string): Group {
  const { time, trace } = broker.surroundings
  const members = new Set<Member>()
  const strays = new Set<Member>()
  let isDue = false
  let isRunning = false

  function remove(member: Member, why: string): void {
    if (!members.delete(member)) return
    trace('coordinator', `${name}: ${member.name} ${why}`)
    rebalance()
  }

  function evict(member: Member): void {
    if (!members.has(member)) return
    remove(member, 'is taken for dead')
    strays.add(member)
    member.onEvicted()
  }

  async function releaseInTime(member: Member): Promise<void> {
    const released = member.release().then(() => true)
    const late = time.pause(rebalanceTimeoutMs).then(() => false)
    if (!(await Promise.race([released, late]))) evict(member)
  }

  function needsAnother(): boolean {
    return isDue
  }

  async function run(): Promise<void> {
    while (isDue) {
      isDue = false
      await Promise.all([...members].map(releaseInTime))
      // Who joined or left meanwhile makes all of it due again.
      if (needsAnother()) continue
      for (const [member, places] of share(broker, [...members])) {
        trace('coordinator', `${name}: ${member.name} gets ${places.map(placeName).join(' ')}`)
        member.occupy(places)
      }
    }
    isRunning = false
  }

  function rebalance(): void {
    isDue = true
    if (isRunning) return
    isRunning = true
    time.after(1, () => void run())
  }

  return {
    name,
    offsets: new Map(),
    members: () => [...members],
    strays: () => [...strays].filter(({ process }) => process.isAlive()),
    join: member => {
      strays.delete(member)
      members.add(member)
      const { process } = member
      process.onCrash(() => time.after(sessionTimeoutMs, () => remove(member, 'has died')))
      process.onFreeze(() =>
        time.after(sessionTimeoutMs, () => {
          if (process.isFrozen()) evict(member)
        }),
      )
      rebalance()
    },
    leave: member => remove(member, 'leaves'),
    evict,
  }
}

export function committed(group: Group, place: TopicPartition): number | undefined {
  return group.offsets.get(placeName(place))
}

export function commit({ offsets }: Group, positions: readonly Position[]): void {
  for (const position of positions) offsets.set(placeName(position), position.offset)
}
