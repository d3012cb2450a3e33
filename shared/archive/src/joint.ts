/** Bytes that are put together part by part. */
export interface Joint {
  readonly length: () => number
  readonly add: (part: Buffer) => void
  /** All parts; nothing may be added afterwards. */
  readonly take: () => Buffer
}

/** A joint for about as many bytes: what is expected too much costs nothing, since the system gives memory only as it is written to. */
export function createJoint(expectedBytes: number): Joint {
  let memory: Buffer = Buffer.alloc(0)
  let length = 0
  return {
    length: () => length,
    add(part) {
      const end = length + part.length
      // The first part alone is what most joints hold: it is taken as it is.
      if (length === 0) memory = part
      else {
        if (memory.length < end) {
          const larger = Buffer.allocUnsafeSlow(Math.max(expectedBytes, end + (end >> 1)))
          memory.copy(larger, 0, 0, length)
          memory = larger
        }
        part.copy(memory, length)
      }
      length = end
    },
    take: () => memory.subarray(0, length),
  }
}
