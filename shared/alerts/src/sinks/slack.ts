import { noticeUid, type Notice } from '../notice.ts'
import { subjectOf, textOf } from '../text.ts'
import { persist } from './persist.ts'
import { post } from './post.ts'
import { nothingToClose, type Persistence, type Sink } from './sink.ts'

/** An incoming webhook of Slack, or of what speaks its format. */
export interface SlackConfig extends Persistence {
  readonly kind: 'slack'
  /** A secret: whoever has it may post. */
  readonly url: string
}

/** Longest texts that Slack takes in a header and in a section. */
const [maxHeader, maxSection] = [150, 3000]

/** What Slack would read as markup, mentions and links. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function messageOf(notice: Notice): object {
  const subject = subjectOf(notice)
  const body = escape(textOf(notice).replaceAll('```', "'''")).slice(0, maxSection - 8)
  return {
    text: escape(subject),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: subject.slice(0, maxHeader), emoji: false } },
      { type: 'section', text: { type: 'mrkdwn', text: `\`\`\`\n${body}\n\`\`\`` } },
    ],
  }
}

/** Posts each notice as a message. Slack knows no idempotency: after a crash the notice in hand may come twice. */
export function openSlack(config: SlackConfig): Sink {
  const { url, timeoutMs = 10_000 } = config
  const place = `Slack at ${new URL(url).origin}`
  const hint = 'Make a new incoming webhook and put its URL into the secret.'
  const headers = { 'content-type': 'application/json' }
  return {
    kind: 'slack',
    deliver: async (notice, signal) => {
      const body = JSON.stringify(messageOf(notice))
      const errand = { place, uid: noticeUid(notice), hint, signal }
      await persist(config, errand, async () => await post({ url, body, headers, timeoutMs, signal }))
    },
    [Symbol.asyncDispose]: nothingToClose,
  }
}
