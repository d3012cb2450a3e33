import type { AttachOptions } from '@muniment/interceptor'
import type { Config } from '@muniment/runtime'

/** Where the interceptor publishes, wherever the setting was written. Tokens it reads itself, again and again, from their file. */
export function destination({
  bus,
}: Config): Pick<AttachOptions, 'bus' | 'kafka' | 'device' | 'topicPrefix'> {
  if (bus.kind === 'embedded') return { bus: 'embedded:', topicPrefix: bus.topicPrefix }
  if (bus.kind === 'collector') return { bus: bus.url, device: bus.device }
  const { brokers, clientId, tls, sasl, topicPrefix } = bus
  const where = { bus: `kafka://${brokers.join(',')}`, topicPrefix }
  if (sasl?.mechanism === 'oauthbearer') return where
  return {
    ...where,
    kafka: { brokers, clientId, ...(tls !== undefined && { tls }), ...(sasl !== undefined && { sasl }) },
  }
}
