import { openEmail, type EmailConfig } from './email.ts'
import { openSlack, type SlackConfig } from './slack.ts'
import { openSse, type SseConfig } from './sse.ts'
import { openStdout, type StdoutConfig } from './stdout.ts'
import { openWebhook, type WebhookConfig } from './webhook.ts'
import type { Sink } from './sink.ts'

/** Which sink, and what it needs. */
export type SinkConfig = EmailConfig | SlackConfig | SseConfig | StdoutConfig | WebhookConfig

/** Opens the sink that the configuration names. */
export async function openSink(config: SinkConfig): Promise<Sink> {
  if (config.kind === 'email') return openEmail(config)
  if (config.kind === 'slack') return openSlack(config)
  if (config.kind === 'sse') return await openSse(config)
  return config.kind === 'stdout' ? openStdout(config) : openWebhook(config)
}
