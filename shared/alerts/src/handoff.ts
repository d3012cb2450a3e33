/** A value handed over, and how the taker says whether it is done with it; only the first word counts. */
export interface Handed<T> {
  readonly value: T
  readonly settle: (isDone: boolean) => void
}

/** Hands values from producers to one taker, each producer waiting until the taker is done with its value. */
export interface Handoff<T> {
  /** Resolves to what the taker says, or to `false` when the handoff closed before it was taken. */
  readonly offer: (value: T) => Promise<boolean>
  /** The next value; `undefined` when the handoff is closed and empty. */
  readonly take: () => Promise<Handed<T> | undefined>
  readonly close: () => void
}

/** A handoff with nothing in it. */
export function createHandoff<T>(): Handoff<T> {
  const waiting: Handed<T>[] = []
  let wake = Promise.withResolvers<void>()
  let isClosed = false
  return {
    offer: async value => {
      if (isClosed) return false
      const { promise, resolve } = Promise.withResolvers<boolean>()
      waiting.push({ value, settle: resolve })
      wake.resolve()
      return await promise
    },
    take: async () => {
      while (waiting.length === 0 && !isClosed) {
        await wake.promise
        wake = Promise.withResolvers<void>()
      }
      return isClosed ? undefined : waiting.shift()
    },
    close: () => {
      isClosed = true
      for (const { settle } of waiting.splice(0)) settle(false)
      wake.resolve()
    },
  }
}
