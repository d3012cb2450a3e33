/** A first-in, first-out queue bounded by bytes: what does not fit is refused, what is in it stays. */
export interface Ring<T extends { readonly sizeBytes: number }> {
  /** `false` where it does not fit. */
  readonly push: (item: T) => boolean
  /** Puts an item in although the ring may be full: only for the few that stand for lost ones. */
  readonly force: (item: T) => void
  /** Takes the oldest items, at least one if there is one, within the limits. */
  readonly take: (limits: { readonly maxBytes: number; readonly maxItems: number }) => T[]
  readonly sizeBytes: () => number
  readonly length: () => number
}

const compactAfter = 1024

interface Queue<T> {
  items: (T | undefined)[]
  head: number
  bytes: number
}

function put<T extends { readonly sizeBytes: number }>(queue: Queue<T>, item: T): void {
  queue.items.push(item)
  queue.bytes += item.sizeBytes
}

function shift<T extends { readonly sizeBytes: number }>(queue: Queue<T>, leftBytes: number): T | undefined {
  const item = queue.items[queue.head]
  if (item === undefined || item.sizeBytes > leftBytes) return undefined
  queue.items[queue.head] = undefined
  queue.head += 1
  queue.bytes -= item.sizeBytes
  return item
}

function compact<T>(queue: Queue<T>): void {
  const { items, head } = queue
  if (head < items.length && (head < compactAfter || head * 2 < items.length)) return
  queue.items = items.slice(head)
  queue.head = 0
}

export function createRing<T extends { readonly sizeBytes: number }>(maxBytes: number): Ring<T> {
  const queue: Queue<T> = { items: [], head: 0, bytes: 0 }
  return {
    push: item => {
      if (queue.bytes + item.sizeBytes > maxBytes) return false
      put(queue, item)
      return true
    },
    force: item => put(queue, item),
    take: limits => {
      const taken: T[] = []
      let left = limits.maxBytes
      for (let item = shift(queue, Infinity); item !== undefined; item = shift(queue, left)) {
        taken.push(item)
        left -= item.sizeBytes
        if (taken.length >= limits.maxItems) break
      }
      compact(queue)
      return taken
    },
    sizeBytes: () => queue.bytes,
    length: () => queue.items.length - queue.head,
  }
}
