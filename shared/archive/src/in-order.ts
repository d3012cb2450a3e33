/** Results of `work` in the order of `items`, with up to `ahead` of them under way. */
export async function* inOrder<T, R>(
  items: readonly T[],
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = []
  let next = 0
  try {
    while (next < items.length || running.length > 0) {
      for (const item of items.slice(next, next + ahead - running.length)) {
        running.push(work(item))
        next += 1
      }
      const first = running.shift()
      if (first !== undefined) yield await first
    }
  } finally {
    // Whoever stopped listening has its error already; the rest must not become unhandled.
    await Promise.allSettled(running)
  }
}
