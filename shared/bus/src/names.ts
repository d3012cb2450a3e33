const defaultPrefix = 'mcp.'

/** Names of one installation on a shared bus. In code topics have their default names. */
export interface Names {
  /** Default topic name → name on the bus. */
  readonly topic: (name: string) => string
  /** Group name → name on the bus. Installations that share a bus must not share groups. */
  readonly group: (name: string) => string
}

export function createNames(prefix: string = defaultPrefix): Names {
  return {
    topic: name => (name.startsWith(defaultPrefix) ? prefix + name.slice(defaultPrefix.length) : name),
    group: name => (prefix === defaultPrefix ? name : prefix + name),
  }
}
