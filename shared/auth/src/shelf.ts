/** A text and what a later write must name to replace it. */
export interface ShelfEntry {
  readonly text: string
  readonly version: string
}

/**
 * A place for one small text that several processes change.
 * Durability: a `replace` that resolved with `true` survives a crash. Concurrency: of several that replace one version, one wins.
 */
export interface Shelf {
  readonly read: () => Promise<ShelfEntry | undefined>
  /** `expected`: the version to replace, `undefined` where there must be none yet. `false` where another was first. */
  readonly replace: (text: string, expected: string | undefined) => Promise<boolean>
}

/** A shelf that ends with the process. */
export function openMemoryShelf(): Shelf {
  let held: ShelfEntry | undefined
  let count = 0
  return {
    read: async () => await Promise.resolve(held),
    replace: async (text, expected) => {
      await Promise.resolve()
      if (held?.version !== expected) return false
      held = { text, version: String(++count) }
      return true
    },
  }
}

/** What a shelf needs of `StateStore` of `@muniment/state`, whose own types need a newer Node than this package. */
export interface StateLike {
  get(key: string): Promise<{ readonly value: Uint8Array; readonly version: string } | undefined>
  put(key: string, value: Uint8Array, expected: string | undefined): Promise<string | undefined>
}

/** A value of the state as a shelf. */
export function openStateShelf(state: StateLike, key: string): Shelf {
  return {
    read: async () => {
      const entry = await state.get(key)
      return entry && { text: Buffer.from(entry.value).toString('utf8'), version: entry.version }
    },
    replace: async (text, expected) => (await state.put(key, Buffer.from(text), expected)) !== undefined,
  }
}

const maxAttempts = 50

/** Changes a text whatever others do meanwhile. `change` may be called again, with what they wrote; with `undefined` it leaves things as they are. */
export async function updateShelf(
  shelf: Shelf,
  change: (text: string | undefined) => string | undefined,
): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const entry = await shelf.read()
    const text = change(entry?.text)
    if (text === undefined || (await shelf.replace(text, entry?.version))) return
  }
  throw new Error(`Others changed it ${maxAttempts} times in a row.`)
}
