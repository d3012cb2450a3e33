import { topic } from '@muniment/schema'
import type { Task } from '@muniment/runtime'
import type { Batch, Position } from '@muniment/bus'
import { createAssembler } from './assembler.ts'
import { createLanes } from './lanes.ts'
import { takeIn } from './partition-work.ts'
import { beginWork, flush, type PartitionState, type WorkOptions } from './work.ts'

/** Consumer group of the maskers. */
const group = 'muniment.masker'

/** Opens sealed batches, masks what is in them and publishes the events; a batch it cannot open goes to the dead-letter topic. */
export function createMasker(options: WorkOptions): Task {
  const { bus, log } = options
  const partitions = new Map<number, PartitionState>()

  function stateOf(partition: number): PartitionState {
    const known = partitions.get(partition)
    if (known) return known
    const fresh = { partition, lanes: createLanes(), assembler: createAssembler() }
    partitions.set(partition, fresh)
    return fresh
  }

  async function work(batch: Batch, signal: AbortSignal): Promise<Position> {
    const state = stateOf(batch.partition)
    const inHand = beginWork(options, state, signal)
    for (const record of batch.records) await takeIn(inHand, record)
    await flush(inHand)
    const offset = Math.min(batch.nextOffset, state.assembler.oldestOffset() ?? batch.nextOffset)
    return { topic: batch.topic, partition: batch.partition, offset }
  }

  async function run(signal: AbortSignal): Promise<void> {
    const consumer = bus.consume({
      group,
      topics: [topic.raw],
      signal,
      // Another member may have worked on them since: what is remembered of their lanes is stale.
      onAssign: async assigned => {
        for (const { partition } of assigned) partitions.delete(partition)
        return []
      },
      onBatch: async (batch, batchSignal) => {
        await consumer.commit([await work(batch, batchSignal)])
      },
    })
    log.info('masker.started', { group })
    await consumer.done
  }

  return { run }
}
