const multiplier = 0x5bd1e995
const seed = 0x9747b28c

/** MurmurHash2 (32 bit) with the seed of Kafka's Java client, org.apache.kafka.common.utils.Utils.murmur2. */
function murmur2(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const tail = data.length & ~3
  let hash = seed ^ data.length
  for (let index = 0; index < tail; index += 4) {
    let word = Math.imul(view.getInt32(index, true), multiplier)
    word = Math.imul(word ^ (word >>> 24), multiplier)
    hash = Math.imul(hash, multiplier) ^ word
  }
  for (let index = data.length - 1; index >= tail; index--) {
    hash ^= (data[index] ?? 0) << ((index - tail) * 8)
    if (index === tail) hash = Math.imul(hash, multiplier)
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}

const encoder = new TextEncoder()

/** The partition of a key among `count`, as Kafka's default partitioner chooses it. */
function partitionOfKey(key: string, count: number): number {
  return (murmur2(encoder.encode(key)) & 0x7fffffff) % count
}

/** Chooses partitions: the one named, else by key, else each in turn. */
export type Partitioner = (
  record: { readonly key: string | null; readonly partition?: number },
  count: number,
) => number

export function createPartitioner(): Partitioner {
  let turn = 0
  return ({ key, partition }, count) => {
    if (partition !== undefined) return partition
    if (key !== null) return partitionOfKey(key, count)
    turn = (turn + 1) % count
    return turn
  }
}
