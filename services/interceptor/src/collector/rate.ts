/** How fast each device may send, as a bucket of bytes that fills by itself. */
export interface ByteRate {
  /** How long to wait where more was taken than had come in; the bytes of a request are known only afterwards. */
  readonly waitMs: (device: string) => number | undefined
  readonly take: (device: string, bytes: number) => void
}

export interface ByteRateOptions {
  readonly bytesPerSecond: number
  /** What may come at once after a pause. */
  readonly burstBytes: number
  readonly monotonicMs: () => number
}

const mostDevices = 100_000

/** Kept as one number a device: the time at which its bucket would be full again. */
export function createByteRate({ bytesPerSecond, burstBytes, monotonicMs }: ByteRateOptions): ByteRate {
  const fullAt = new Map<string, number>()
  const burstMs = (burstBytes / bytesPerSecond) * 1000
  return {
    waitMs: device => {
      const overMs = (fullAt.get(device) ?? 0) - monotonicMs() - burstMs
      return overMs > 0 ? overMs : undefined
    },
    take: (device, bytes) => {
      const next = Math.max(fullAt.get(device) ?? 0, monotonicMs()) + (bytes / bytesPerSecond) * 1000
      fullAt.delete(device)
      fullAt.set(device, next)
      if (fullAt.size > mostDevices) fullAt.delete(fullAt.keys().next().value ?? '')
    },
  }
}
