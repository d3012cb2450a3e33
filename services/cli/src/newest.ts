import type { Bus, BusRecord, Position } from '@muniment/bus'

/** Positions `count` records before the end of each partition of a topic. */
async function beforeEnd(bus: Bus, topic: string, count: number): Promise<readonly Position[]> {
  const partitions = await bus.describe(topic)
  return partitions.map(({ partition, firstOffset, nextOffset }) => ({
    topic,
    partition,
    offset: Math.max(firstOffset, nextOffset - count),
  }))
}

/** The newest `count` records of a topic over all partitions, oldest first. */
export async function readNewest(
  bus: Bus,
  topic: string,
  { count, signal }: { count: number; signal: AbortSignal },
): Promise<readonly BusRecord[]> {
  const from = await beforeEnd(bus, topic, count)
  const records: BusRecord[] = []
  for await (const record of bus.read({ topic, from, untilEnd: true, signal })) records.push(record)
  return records.toSorted((a, b) => a.timestampMs - b.timestampMs).slice(-count)
}
