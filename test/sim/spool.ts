import { createMemorySpool, type Spool } from '@muniment/interceptor/core'
import { AppError } from '@muniment/schema'
import type { Surroundings } from './broker.ts'
import type { Process } from './process.ts'

const diskMs = 5

/** A disk with one lane's spool; it outlives the process that writes it. */
export function createDisk(maxBytes: number): Spool {
  return createMemorySpool(maxBytes)
}

/** The spool on a disk, as a process sees it that may die between any two steps. */
export function openSimSpool(disk: Spool, { random, faults, trace }: Surroundings, process: Process): Spool {
  const step = async <T>(act: () => Promise<T>): Promise<T> => {
    await process.pause(random.between(0, diskMs))
    const result = await act()
    await process.pause(random.between(0, diskMs))
    return result
  }
  return {
    append: records =>
      step(async () => {
        if (faults.away.has('disk') || faults.happens('diskFull')) {
          trace(process.name, 'spool: the disk is full')
          throw new AppError('DISK_UNUSABLE', 'The simulated disk is full.')
        }
        await disk.append(records)
        trace(process.name, `spool: ${records.length} batches`)
      }),
    appendSync: records => disk.appendSync(records),
    peek: maxBytes => step(() => disk.peek(maxBytes)),
    drop: () => step(() => disk.drop()),
    sizeBytes: () => disk.sizeBytes(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
