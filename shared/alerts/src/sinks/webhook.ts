import { createHmac, type KeyObject } from 'node:crypto'
import { cloudEventHeaders } from '@muniment/schema'
import { noticeBody, noticeUid, type Notice } from '../notice.ts'
import { persist } from './persist.ts'
import { post } from './post.ts'
import { nothingToClose, type Persistence, type Sink } from './sink.ts'

/** An HTTP endpoint that takes alerts. */
export interface WebhookConfig extends Persistence {
  readonly kind: 'webhook'
  readonly url: string
  /** Signs each request: the receiver checks `muniment-signature`. */
  readonly key: KeyObject
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** `t=<seconds>,v1=<hex HMAC-SHA-256 of "<seconds>.<body>">`: the time is signed too, so that a receiver can refuse old requests. */
function sign(key: KeyObject, seconds: number, body: string): string {
  return `t=${seconds},v1=${createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')}`
}

/** CloudEvents 1.0 binary mode over HTTP: the attributes are `ce-` headers. */
function attributes(notice: Notice): Record<string, string> {
  const isAlert = notice.kind === 'alert'
  const headers = cloudEventHeaders({
    id: noticeUid(notice),
    source: '/alerts',
    type: isAlert ? 'dev.muniment.alert.v1' : 'dev.muniment.alert-digest.v1',
    time: new Date(isAlert ? notice.alert.time : notice.digest.toMs).toISOString(),
    partitionKey: isAlert ? notice.alert.metadata.tenant_uid : 'digest',
  })
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.replace(/^ce_/u, 'ce-'), value]),
  )
}

/** POSTs each notice, signed (`muniment-signature`), with its uid as `idempotency-key`, as a CloudEvent. */
export function openWebhook(config: WebhookConfig): Sink {
  const { url, key, now, timeoutMs = 10_000 } = config
  const place = `the webhook ${new URL(url).origin}`
  const hint = 'Check that the URL takes POST requests and that both sides hold the same key.'
  return {
    kind: 'webhook',
    deliver: async (notice, signal) => {
      const body = noticeBody(notice)
      const uid = noticeUid(notice)
      await persist(config, { place, uid, hint, signal }, async () => {
        const signature = sign(key, Math.floor(now() / 1000), body)
        const headers = { ...attributes(notice), 'idempotency-key': uid, 'muniment-signature': signature }
        return await post({ url, body, headers, timeoutMs, signal })
      })
    },
    [Symbol.asyncDispose]: nothingToClose,
  }
}
