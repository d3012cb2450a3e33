import type { Sink } from './sink.ts'
import { openStdout, type StdoutConfig } from './stdout.ts'
import { openWebhook, type WebhookConfig } from './webhook.ts'

/** Which sink, and what it needs. */
export type SinkConfig = StdoutConfig | WebhookConfig

/** Opens the sink that the configuration names. */
export function openSink(config: SinkConfig): Sink {
  return config.kind === 'stdout' ? openStdout(config) : openWebhook(config)
}
