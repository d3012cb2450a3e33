/** A promise and the functions that settle it. `Promise.withResolvers` is not there on Node 20. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

function unset(): void {
  throw new Error('a promise was settled before it was made')
}

export function createDeferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = unset
  let reject: (error: unknown) => void = unset
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
