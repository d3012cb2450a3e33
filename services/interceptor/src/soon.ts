/** What is there already, or will be. */
export type Soon<T> = T | Promise<T>

export function isPromise<T>(value: Soon<T>): value is Promise<T> {
  return value instanceof Promise
}

/** Goes on at once where the value is there: who needs no promise pays for none. */
export function andThen<T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> {
  return isPromise(value) ? value.then(next) : next(value) // oxlint-disable-line promise/no-callback-in-promise
}

/** Runs steps one after the other, each at once where none is under way. */
export type Serial = <T>(step: () => Soon<T>) => Soon<T>

export function createSerial(): Serial {
  let last: Promise<unknown> | undefined
  function wait<T>(work: Promise<T>): Promise<T> {
    const end = (): void => {
      if (last === settled) last = undefined
    }
    const settled = work.then(end, end)
    last = settled
    return work
  }
  return step => {
    if (last !== undefined) return wait(last.then(step))
    const result = step()
    return isPromise(result) ? wait(result) : result
  }
}
