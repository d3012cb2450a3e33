import { AppError } from '@muniment/schema'

const defaultPrefix = 'mcp.'

/** Names of one installation on a shared bus. In code topics have their default names. */
export interface Names {
  /** Default topic name → name on the bus. */
  readonly topic: (name: string) => string
  /** Name on the bus → default topic name; `undefined` where the topic belongs to another installation. */
  readonly logical: (name: string) => string | undefined
  /** Group name → name on the bus. Installations that share a bus must not share groups. */
  readonly group: (name: string) => string
}

/** Throws `CONFIG_INVALID` for a prefix that cannot begin the name of a Kafka topic. */
export function createNames(prefix: string = defaultPrefix): Names {
  if (!/^[A-Za-z0-9._-]{1,100}$/u.test(prefix)) {
    throw new AppError('CONFIG_INVALID', `the topic prefix ${JSON.stringify(prefix)} is not usable`, {
      hint: 'Use 1 to 100 letters, digits, dots, underscores or dashes, such as `audit.`.',
    })
  }
  return {
    topic: name => (name.startsWith(defaultPrefix) ? prefix + name.slice(defaultPrefix.length) : name),
    logical: name => (name.startsWith(prefix) ? defaultPrefix + name.slice(prefix.length) : undefined),
    group: name => (prefix === defaultPrefix ? name : prefix + name),
  }
}
