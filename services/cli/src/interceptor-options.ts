import type { AttachOptions } from '@muniment/interceptor'
import type { Config } from '@muniment/runtime'
import { destination } from './destination.ts'

/** What the configuration says of how calls are recorded; a name that was given by hand comes first. */
export function attachOptions(config: Config, name = config.interceptor.serverName): AttachOptions {
  const { tenant, ingestKey, controlKey, ringMaxBytes, spoolMaxBytes, delivery } = config.interceptor
  return {
    home: config.home,
    ...destination(config),
    tenant,
    ringMaxBytes,
    spoolMaxBytes,
    delivery,
    ...(ingestKey !== undefined && { ingestKey }),
    ...(controlKey !== undefined && { controlKey }),
    guardAllow: config.guardAllow,
    ...(name !== undefined && { serverName: name }),
  }
}
