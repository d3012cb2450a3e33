import { AppError } from '@muniment/schema'

/** Bounds of asking an authorization server. */
export interface FetchLimits {
  /** Until the whole answer is there (default 5 s). */
  readonly timeoutMs?: number
  /** Most bytes of an answer (default 256 KiB). */
  readonly maxBytes?: number
}

const loopback = /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/u

/**
 * An address that may be asked: https, or http on this machine, as in tests and sidecars. Addresses come from the configuration, or from metadata of the
 * configured issuer; never from a token. Throws `CONFIG_INVALID`.
 */
export function readEndpoint(text: string, setting: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url?.protocol === 'http:' && loopback.test(url.hostname)
  if (url !== undefined && (isPlain || url.protocol === 'https:') && url.username + url.password === '')
    return url
  throw new AppError('CONFIG_INVALID', `${setting} is ${JSON.stringify(text.slice(0, 200))}.`, {
    hint: 'Give an https:// URL without user name and password; http:// is for addresses of this machine only.',
  })
}

function unreachable(url: URL, why: string, cause?: unknown): AppError {
  return new AppError('DEPENDENCY_UNREACHABLE', `${url.origin}${url.pathname} ${why}.`, { cause })
}

async function readBody(url: URL, response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > maxBytes) throw unreachable(url, `sent more than ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** What is sent. */
interface Sent {
  readonly method?: 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: URLSearchParams
}

/** Asks for JSON: no redirects, bounded in time and size. Rejects with `DEPENDENCY_UNREACHABLE`, whatever went wrong. */
export async function fetchJson(url: URL, init: Sent = {}, limits: FetchLimits = {}): Promise<unknown> {
  const { timeoutMs = 5000, maxBytes = 256 * 1024 } = limits
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const headers = { accept: 'application/json', ...init.headers }
    const response = await fetch(url, { ...init, headers, redirect: 'error', signal })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw unreachable(url, `answered ${response.status}`)
    }
    return JSON.parse(await readBody(url, response, maxBytes))
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw unreachable(url, 'gave no usable answer', cause)
  }
}
