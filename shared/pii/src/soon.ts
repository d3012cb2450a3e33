/** A value that is there, or will be. */
export type Soon<T> = T | Promise<T>

/** Goes on with a value, at once where it is there. */
export const andThen = <T, U>(value: Soon<T>, use: (value: T) => Soon<U>): Soon<U> =>
  value instanceof Promise ? value.then(use) : use(value)
