// The bus as one process sees it, with everything that the port allows a bus to do.
import type { Bus, BusRecord, OutgoingRecord, PartitionState, ReadOptions } from '@muniment/bus'
import { unreachable, type Broker } from './broker.ts'
import { committed, partitionsOf } from './group.ts'
import { consume } from './member.ts'
import type { Process } from './process.ts'

const requestMs = 15
const timeoutMs = 3000
const longMs = 12_000

interface Sending {
  readonly broker: Broker
  readonly process: Process
  readonly topic: string
  readonly records: readonly OutgoingRecord[]
}

async function refuse({ process, broker, topic }: Sending, why: string): Promise<never> {
  await process.pause(broker.surroundings.random.between(requestMs, timeoutMs))
  broker.surroundings.trace(process.name, `${topic}: ${why}`)
  throw unreachable('bus')
}

/** What became of a request; several kinds of bad luck end in the same error for the caller. */
function unluck({ broker, records }: Sending): { readonly why: string; readonly stored: number } | undefined {
  const { faults, random } = broker.surroundings
  if (faults.away.has('bus')) return { why: 'the bus is away', stored: 0 }
  if (faults.happens('publishRefused')) return { why: 'not published', stored: 0 }
  if (faults.happens('publishReplyLost'))
    return { why: 'published, but the reply is lost', stored: records.length }
  if (faults.happens('publishPartial'))
    return { why: 'published in part, and the reply is lost', stored: random.int(records.length + 1) }
  return undefined
}

// What happens far away happens whether or not the process still lives.
async function send(sending: Sending): Promise<void> {
  const { broker, process, topic, records } = sending
  const { time, random, faults } = broker.surroundings
  await process.pause(random.between(0, requestMs))
  if (faults.happens('publishLate') && !faults.away.has('bus')) {
    time.after(random.between(requestMs, longMs), () => broker.append(topic, records))
    return refuse(sending, 'published later, and the reply is lost')
  }
  const travelMs = faults.happens('publishStalls')
    ? random.between(requestMs, longMs)
    : random.between(0, requestMs)
  const outcome = new Promise<string | undefined>(resolve => {
    time.after(travelMs, () => {
      const bad = unluck(sending)
      broker.append(topic, records.slice(0, bad?.stored ?? records.length))
      resolve(bad?.why)
    })
  })
  const why = await outcome
  if (why !== undefined) await refuse(sending, why)
  await process.pause(random.between(0, requestMs))
}

function stateOf(broker: Broker, topic: string, group: string | undefined): readonly PartitionState[] {
  return partitionsOf(broker, [topic]).map(place => {
    const nextOffset = broker.logs.get(topic)?.[place.partition]?.length ?? 0
    const offset = group === undefined ? undefined : committed(broker.group(group), place)
    const state = { ...place, firstOffset: 0, nextOffset }
    return offset === undefined ? state : { ...state, committedOffset: offset }
  })
}

async function* readAll(broker: Broker, { topic }: ReadOptions): AsyncGenerator<BusRecord> {
  for (const log of broker.logs.get(topic) ?? []) yield* await Promise.resolve(log.slice())
}

/** Opens the bus for a process; a process that dies never hears from it again. */
export function openSimBus(broker: Broker, process: Process): Bus {
  const { random, faults } = broker.surroundings
  let last: Promise<void> = Promise.resolve()
  return {
    publish: (topic, records) => {
      const sent = last.then(() => send({ broker, process, topic, records }))
      last = sent.catch(() => undefined)
      return sent
    },
    consume: options => consume(broker, process, options),
    read: options => readAll(broker, options),
    describe: async (topic, group) => {
      await process.pause(random.between(0, requestMs))
      if (faults.away.has('bus') || faults.happens('describeFails')) throw unreachable('bus')
      return stateOf(broker, topic, group)
    },
    createTopics: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
