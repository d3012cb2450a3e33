import { AppError } from '@muniment/schema'

/** Tells whether a request is one of those that were meant. */
export type Matcher = (method: string, target: string | undefined) => boolean

const maxPatternLength = 512

/** Whether a text has the form of a pattern in which `*` stands for anything; takes at most as many steps as the product of their lengths. */
function isLike(text: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return text === pattern
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return text.length - at >= last.length && text.endsWith(last)
}

interface Parts {
  readonly method: string
  readonly target: string
}

/** `delete_*` is a tool, `resources/read` a method, `resources/read:file:///etc/*` a method and what it is asked about. */
function partsOf(pattern: string): Parts {
  const colon = pattern.indexOf(':')
  if (colon !== -1) return { method: pattern.slice(0, colon), target: pattern.slice(colon + 1) }
  if (pattern === '*' || pattern.includes('/')) return { method: pattern, target: '*' }
  return { method: 'tools/call', target: pattern }
}

function checked(pattern: string): string {
  const text = pattern.trim()
  if (text !== '' && text.length <= maxPatternLength && !/\s/u.test(text)) return text
  throw new AppError(
    'CONFIG_INVALID',
    `${JSON.stringify(pattern.slice(0, 80))} says of no request that it must be recorded first.`,
    { hint: 'Write *, a tool as delete_*, a method as resources/read, or both as tools/call:delete_*.' },
  )
}

/** A matcher for any of these patterns. Throws `CONFIG_INVALID` for one that cannot be meant. */
export function requestMatcher(patterns: readonly string[]): Matcher {
  const all = patterns.map(pattern => partsOf(checked(pattern)))
  return (method, target = '') => all.some(each => isLike(method, each.method) && isLike(target, each.target))
}
