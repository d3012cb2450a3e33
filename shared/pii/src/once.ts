/** Makes a value when it is first asked for: what a process may never need is no part of its start. */
export const once = <T>(make: () => T): (() => T) => {
  let made: T | undefined
  return () => (made ??= make())
}
