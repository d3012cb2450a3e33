import type { Outcome } from './persist.ts'

/** One HTTP request, and how long its answer may take. */
export interface Post {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Statuses below 500 that say "later", not "no". */
const passing = new Set([408, 425, 429])

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0)
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0
}

function judge(response: Response): Outcome {
  const { ok, status } = response
  if (ok) return { kind: 'taken' }
  if (status < 500 && !passing.has(status)) return { kind: 'refused', status }
  return { kind: 'failed', why: `answered ${status}`, retryAfterMs: retryAfterMs(response) }
}

/** Posts once; redirects are refused, because they would take a signed or secret request elsewhere. */
export async function post({ url, body, headers, timeoutMs, signal }: Post): Promise<Outcome> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers,
      redirect: 'error',
      signal: AbortSignal.any([signal, timeout]),
    })
    await response.body?.cancel()
    return judge(response)
  } catch (cause) {
    signal.throwIfAborted()
    const why = timeout.aborted ? `did not answer in ${timeoutMs} ms` : 'could not be reached'
    return { kind: 'failed', why, retryAfterMs: 0, cause }
  }
}
