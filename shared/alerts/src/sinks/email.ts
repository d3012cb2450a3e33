import { noticeUid, type Notice } from '../notice.ts'
import { subjectOf, textOf } from '../text.ts'
import { persist, type Outcome } from './persist.ts'
import type { Persistence, Sink } from './sink.ts'

/** A mail server that takes alerts, and who gets them. */
export interface EmailConfig extends Persistence {
  readonly kind: 'email'
  readonly host: string
  readonly port: number
  /** `starttls` refuses to go on in the clear; `none` is for a server on this machine. */
  readonly tls: 'starttls' | 'implicit' | 'none'
  /** PEM, where the server's authority is not one of the system's. */
  readonly ca?: string
  readonly user?: string
  readonly password?: string
  readonly from: string
  readonly to: readonly string[]
}

type Mail = Awaited<ReturnType<typeof openTransport>>

async function openTransport(config: EmailConfig, timeoutMs: number) {
  const { host, port, tls, ca, user, password } = config
  const { createTransport } = await import('nodemailer')
  return createTransport({
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    disableFileAccess: true,
    disableUrlAccess: true,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    tls: { minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) },
    ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
  })
}

function letterOf({ from, to }: EmailConfig, notice: Notice): Parameters<Mail['sendMail']>[0] {
  const uid = noticeUid(notice)
  return {
    from,
    to: [...to],
    subject: subjectOf(notice),
    text: textOf(notice),
    // The same for the same notice, so that mailboxes can drop a second copy.
    messageId: `<${uid}@muniment.invalid>`,
    headers: { 'auto-submitted': 'auto-generated', 'muniment-notice': uid },
  }
}

function judge(error: unknown): Outcome {
  const status = error instanceof Error && 'responseCode' in error ? error.responseCode : undefined
  // 5xx of SMTP is final, 4xx may pass (RFC 5321).
  if (typeof status === 'number' && status >= 500) return { kind: 'refused', status }
  const why = typeof status === 'number' ? `answered ${status}` : 'could not be reached'
  return { kind: 'failed', why, retryAfterMs: 0, cause: error }
}

/** Sends each notice as a plain-text mail over SMTP. */
export function openEmail(config: EmailConfig): Sink {
  const { host, port, timeoutMs = 10_000 } = config
  const place = `the mail server ${host}:${port}`
  const hint = 'Check the sender, the recipients and the credentials with the mail server.'
  let opening: Promise<Mail> | undefined
  return {
    kind: 'email',
    deliver: async (notice, signal) => {
      signal.throwIfAborted()
      const mail = await (opening ??= openTransport(config, timeoutMs))
      await persist(config, { place, uid: noticeUid(notice), hint, signal }, async () => {
        try {
          await mail.sendMail(letterOf(config, notice))
          return { kind: 'taken' }
        } catch (error) {
          signal.throwIfAborted()
          return judge(error)
        }
      })
    },
    [Symbol.asyncDispose]: async () => (await opening)?.close(),
  }
}
