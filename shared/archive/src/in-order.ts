/** Results of `work` in the order of `items`, with up to `ahead` of them under way. */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = []
  try {
    for await (const item of items) {
      const result = work(item)
      // It may fail while an earlier one is still waited for; it is thrown when its turn comes.
      result.catch(() => undefined)
      running.push(result)
      const first = running.length >= ahead ? running.shift() : undefined
      if (first !== undefined) yield await first
    }
    for (let first = running.shift(); first !== undefined; first = running.shift()) yield await first
  } finally {
    // Nothing goes on after whoever stopped listening was told so.
    await Promise.allSettled(running)
  }
}
