import type { GuardPart } from '@muniment/interceptor/guard'
import type { Config } from '@muniment/runtime'
import { ensureControlKeys } from './ingest-key.ts'

/** What refuses calls where that was asked for; loaded only then. */
export async function guardOf(config: Config): Promise<GuardPart> {
  await ensureControlKeys(config)
  const { enforceDecisions } = await import('@muniment/interceptor/guard')
  return enforceDecisions()
}
