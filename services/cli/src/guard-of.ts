import type { GuardPart } from '@muniment/interceptor/guard'
import type { Config } from '@muniment/runtime'
import { readRules } from './authorise-file.ts'
import { ensureControlKeys } from './ingest-key.ts'

/** Parts of a guard that were asked for on the command line. */
export interface GuardChoice {
  readonly enforce: boolean
  /** File with the rules of who may do what. */
  readonly authorise: string | undefined
}

/** What refuses calls where that was asked for; loaded only then. Throws `CONFIG_INVALID` for rules that cannot be meant. */
export async function guardOf(
  config: Config,
  { enforce, authorise: file }: GuardChoice,
): Promise<{ readonly guard?: readonly GuardPart[] }> {
  if (!enforce && file === undefined) return {}
  await ensureControlKeys(config)
  const { authorise, checkAuthorise, enforceDecisions } = await import('@muniment/interceptor/guard')
  const rules = file === undefined ? [] : [authorise(checkAuthorise(readRules(file)))]
  return { guard: [...(enforce ? [enforceDecisions()] : []), ...rules] }
}
