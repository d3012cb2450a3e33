import { AppError } from '@muniment/schema'

/** Called with what the transport delivers or loses; must not throw. */
type Listener = (...args: readonly unknown[]) => unknown

/** Given a call and its arguments, makes it itself: later, with others, or not at all. */
type Around = (call: (...args: readonly unknown[]) => unknown, args: readonly unknown[]) => unknown

type Handler = (this: unknown, ...args: unknown[]) => unknown

interface Slot {
  readonly read: () => unknown
  readonly write: (value: unknown) => void
}

function isHandler(value: unknown): value is Handler {
  return typeof value === 'function'
}

/** The accessor that the transport's class defines for a handler, where it does (the Node HTTP transports). */
function accessorOf(target: object, name: string): PropertyDescriptor | undefined {
  for (let at: unknown = target; typeof at === 'object' && at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, name)
    if (found !== undefined) return found
  }
  return undefined
}

function slotOf(target: object, name: string): Slot {
  const found = accessorOf(target, name)
  if (found?.get !== undefined)
    return { read: () => found.get?.call(target), write: value => found.set?.call(target, value) }
  let current: unknown = Reflect.get(target, name)
  return {
    read: () => current,
    write: value => {
      current = value
    },
  }
}

/** A transport that cannot be observed is never silently unobserved. */
export function refused(name: string): AppError {
  return new AppError('INVALID_INPUT', `A transport does not let its ${name} be observed.`, {
    hint: 'Attach to the server or client before it is connected, and do not freeze its transport.',
  })
}

const wrapped = new WeakSet<object>()

/** What one property's handlers share: a protocol chains the handler that was there before, and one delivery is heard once. */
interface Hearing {
  readonly listen: Listener
  /** Stands between instead. */
  readonly around?: Around
  delivering: unknown
}

interface Delivery {
  readonly inner: Handler
  readonly hearing: Hearing
  readonly self: unknown
}

function deliver({ inner, hearing, self }: Delivery, args: readonly unknown[]): unknown {
  const before = hearing.delivering
  hearing.delivering = args[0]
  try {
    return inner.apply(self, [...args])
  } finally {
    hearing.delivering = before
  }
}

/** One function each, and no other before a message comes: most connections are idle. */
function wrapHandler(inner: Handler, hearing: Hearing): Handler {
  const outer: Handler = function (this: unknown, ...args) {
    if (args.length > 0 && hearing.delivering === args[0]) return inner.apply(this, args)
    const delivery = { inner, hearing, self: this }
    const { listen, around } = hearing
    if (around !== undefined) return around((...given) => deliver(delivery, given), args)
    listen(...args)
    return deliver(delivery, args)
  }
  wrapped.add(outer)
  return outer
}

/**
 * Listens to a handler property (`onmessage`, `onclose`), whoever sets it and how often: a client that negotiates the
 * protocol version sets one for its probe, restores the old one and hands over to another.
 */
export function listenTo(target: object, name: string, listen: Listener): void {
  hear(target, name, { listen, delivering: undefined })
}

/** Stands before a handler property, whoever sets it, and hands on itself what is to be heard. */
export function standBefore(target: object, name: string, around: Around): void {
  hear(target, name, { listen: () => undefined, around, delivering: undefined })
}

function hear(target: object, name: string, hearing: Hearing): void {
  const slot = slotOf(target, name)
  const set = (value: unknown): void =>
    slot.write(isHandler(value) && !wrapped.has(value) ? wrapHandler(value, hearing) : value)
  set(slot.read())
  if (!Reflect.defineProperty(target, name, { get: slot.read, set, enumerable: true, configurable: true }))
    throw refused(name)
}

/** Calls a method of an object whose type is not known here. */
export function call(target: object, name: string, args: readonly unknown[]): void {
  const method: unknown = Reflect.get(target, name)
  if (!isHandler(method)) throw refused(name)
  method.apply(target, [...args])
}

/** Lets a method of this one object be called by a function that is given the call. */
export function enclose(target: object, name: string, around: Around): void {
  const method: unknown = Reflect.get(target, name)
  if (!isHandler(method)) throw refused(name)
  const enclosed: Handler = function (this: unknown, ...args) {
    return around((...given) => method.apply(this, [...given]), args)
  }
  if (!Reflect.set(target, name, enclosed)) throw refused(name)
}

/** Puts a function before a method of this one object. */
export function precede(target: object, name: string, listen: Listener): void {
  const method: unknown = Reflect.get(target, name)
  if (!isHandler(method)) throw refused(name)
  const hooked: Handler = function (this: unknown, ...args) {
    listen(...args)
    return method.apply(this, args)
  }
  if (!Reflect.set(target, name, hooked)) throw refused(name)
}
