import { createHmac, type KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, type Alert } from '@muniment/schema'
import type { Sink } from './sink.ts'

/** An HTTP endpoint that takes alerts. */
export interface WebhookConfig {
  readonly kind: 'webhook'
  readonly url: string
  /** Signs each request: the receiver checks `muniment-signature`. */
  readonly key: KeyObject
  /** Attempts in all; default 6. */
  readonly attempts?: number
  /** Longest wait for one answer; default 10 s. */
  readonly timeoutMs?: number
  /** Pause after the first failure, doubled after each, at most `maxPauseMs`; defaults 500 ms and 30 s. The pause is drawn between half and all of it. */
  readonly firstPauseMs?: number
  readonly maxPauseMs?: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A number in 0..1. */
  readonly random: () => number
}

/** What one attempt came to; `retryAfterMs` where the receiver asked for a pause. */
type Outcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly why: string; readonly retryAfterMs: number; readonly cause?: unknown }

/** `t=<seconds>,v1=<hex HMAC-SHA-256 of "<seconds>.<body>">`: the time is signed too, so that a receiver can refuse old requests. */
function sign(key: KeyObject, seconds: number, body: string): string {
  return `t=${seconds},v1=${createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')}`
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0)
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0
}

/** Statuses below 500 that say "later", not "no". */
const passing = new Set([408, 425, 429])

function judge(response: Response): Outcome {
  const { ok, status } = response
  if (ok) return { kind: 'taken' }
  if (status < 500 && !passing.has(status)) return { kind: 'refused', status }
  return { kind: 'failed', why: `answered ${status}`, retryAfterMs: retryAfterMs(response) }
}

async function attempt(config: WebhookConfig, request: RequestInit, signal: AbortSignal): Promise<Outcome> {
  const timeout = AbortSignal.timeout(config.timeoutMs ?? 10_000)
  try {
    const response = await fetch(config.url, { ...request, signal: AbortSignal.any([signal, timeout]) })
    await response.body?.cancel()
    return judge(response)
  } catch (cause) {
    signal.throwIfAborted()
    const why = timeout.aborted
      ? `did not answer in ${config.timeoutMs ?? 10_000} ms`
      : 'could not be reached'
    return { kind: 'failed', why, retryAfterMs: 0, cause }
  }
}

function requestFor(config: WebhookConfig, alert: Alert, body: string): RequestInit {
  return {
    method: 'POST',
    body,
    redirect: 'error',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': alert.metadata.uid,
      'muniment-signature': sign(config.key, Math.floor(config.now() / 1000), body),
    },
  }
}

async function deliver(config: WebhookConfig, alert: Alert, signal: AbortSignal): Promise<void> {
  const { attempts = 6, firstPauseMs = 500, maxPauseMs = 30_000, random } = config
  const body = JSON.stringify(alert)
  const origin = new URL(config.url).origin
  for (let count = 1; ; count += 1) {
    signal.throwIfAborted()
    const outcome = await attempt(config, requestFor(config, alert, body), signal)
    if (outcome.kind === 'taken') return
    if (outcome.kind === 'refused') {
      throw new AppError('SERVICE_ERROR', `the webhook ${origin} refused an alert with ${outcome.status}`, {
        hint: 'Check that the URL takes POST requests and that both sides hold the same key.',
        details: { status: outcome.status, alert: alert.metadata.uid },
      })
    }
    if (count >= attempts) {
      throw new AppError('DEPENDENCY_UNREACHABLE', `the webhook ${origin} ${outcome.why}, ${count} times`, {
        details: { alert: alert.metadata.uid },
        cause: outcome.cause,
      })
    }
    const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** (count - 1))
    const drawnMs = Math.max(pauseMs * (0.5 + random() / 2), Math.min(outcome.retryAfterMs, maxPauseMs))
    await sleep(drawnMs, undefined, { signal })
  }
}

/** POSTs each alert, signed (`muniment-signature`), with the alert's uid as `idempotency-key`; redirects are refused. */
export function openWebhook(config: WebhookConfig): Sink {
  return {
    name: 'webhook',
    deliver: async (alert, signal) => await deliver(config, alert, signal),
  }
}
