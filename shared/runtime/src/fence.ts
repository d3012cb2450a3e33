import { isAppError } from '@muniment/schema'

// The second fence; the first is that call sites do not pass such things.
const secretName =
  /(?:secret|passw(?:or)?d|token|credential|authorization|cookie|private_?key|api_?key|session_?id|plaintext|payload|body|bodies|argument|param|result)s?$/iu
const secretText = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/u,
  /\beyJ[\w-]{10,}\.[\w-]{10,}\./u,
  /\bmun_[\w-]{16,}/u,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/u,
  /\b(?:Bearer|Basic) [\w+/.=-]{8,}/iu,
  /:\/\/[^\s/:@]+:[^\s/@]+@/u,
  /\bPRIVATE\+KEY\+/u,
]
const fenced = '[redacted]'
const maxDepth = 3
const maxEntries = 50
const maxTextLength = 2000

function fenceText(text: string): string {
  const shown = text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength)}…`
  return secretText.some(pattern => pattern.test(shown)) ? fenced : shown
}

function fenceError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack = '', cause } = error
  return {
    type: name,
    ...(isAppError(error) && { code: error.code, hint: error.hint, ...fenceFields(error.details, depth) }),
    message: fenceText(message),
    stack: fenceText(stack),
    ...(cause !== undefined && { cause: fence(cause, depth + 1) }),
  }
}

function fenceObject(value: object, depth: number): unknown {
  if (depth > maxDepth) return '[deeper]'
  if (value instanceof Error) return fenceError(value, depth)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (Array.isArray(value)) return value.slice(0, maxEntries).map(each => fence(each, depth + 1))
  return fenceFields(value, depth)
}

function fence(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return fenceText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`
  return typeof value === 'object' && value !== null ? fenceObject(value, depth) : value
}

/** A copy fit for a log line: values of secret names and texts that look like credentials held back, bytes only counted, depth, count and length bounded. */
export function fenceFields(fields: object, depth = 0): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields).slice(0, maxEntries))
    shown[name] = secretName.test(name) ? fenced : fence(value, depth + 1)
  return shown
}
