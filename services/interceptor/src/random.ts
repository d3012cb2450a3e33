import { randomFillSync } from 'node:crypto'

const poolBytes = 8192

/** Random bytes from the system, fetched many at a time. */
export function createRandom(): (size: number) => Uint8Array {
  const pool = new Uint8Array(poolBytes)
  let used = poolBytes
  return size => {
    if (used + size > poolBytes) {
      randomFillSync(pool)
      used = 0
    }
    used += size
    return pool.slice(used - size, used)
  }
}
