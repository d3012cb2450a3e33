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
        const result = work(item)
        // It may fail while an earlier one is still waited for; it is thrown when its turn comes.
        result.catch(() => undefined)
        running.push(result)
        next += 1
      }
      const first = running.shift()
      if (first !== undefined) yield await first
    }
  } finally {
    // Nothing goes on after whoever stopped listening was told so.
    await Promise.allSettled(running)
  }
}
