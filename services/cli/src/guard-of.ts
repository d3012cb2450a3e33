import type { GuardPart } from '@muniment/interceptor/guard'
import type { Config } from '@muniment/runtime'
import { readRules } from './authorise-file.ts'
import { ensureControlKeys } from './ingest-key.ts'
import { piiRulesOf } from './pii-rules.ts'

/** Parts of a guard that were asked for on the command line. */
export interface GuardChoice {
  readonly enforce: boolean
  /** File with the rules of who may do what. */
  readonly authorise: string | undefined
}

/** What refuses calls; loaded only where that was asked for. */
async function refusing(config: Config, { enforce, authorise: file }: GuardChoice): Promise<GuardPart[]> {
  if (!enforce && file === undefined) return []
  await ensureControlKeys(config)
  const { authorise, checkAuthorise, enforceDecisions } = await import('@muniment/interceptor/guard')
  const rules = file === undefined ? [] : [authorise(checkAuthorise(readRules(file)))]
  return [...(enforce ? [enforceDecisions()] : []), ...rules]
}

/** What masks before the model, where the section `pii` or the setting says anything of it; loaded only then. */
async function masking(config: Config): Promise<GuardPart[]> {
  const { policy, surfaces } = piiRulesOf(config)
  const { isMasked, relaxFor } = surfaces.beforeLlm
  const setting = config.masking.beforeLlm
  if (isMasked === undefined && setting === undefined && relaxFor === undefined) return []
  const { maskBeforeModel } = await import('@muniment/interceptor/guard')
  const part = maskBeforeModel({
    policy,
    mask: isMasked === true,
    ...(relaxFor !== undefined && { relaxFor }),
    ...(setting !== undefined && { setting }),
  })
  return [part]
}

/** What the section `guard` asks for; loaded only then. */
async function configured({ sections: { guard } }: Config): Promise<GuardPart[]> {
  if (guard === undefined) return []
  const { guardPartsIn } = await import('./guard-section.ts')
  return guardPartsIn(guard)
}

/** The parts of the guard that were asked for, here and in the configuration. Throws `CONFIG_INVALID` for rules that cannot be meant. */
export async function guardOf(
  config: Config,
  choice: GuardChoice,
): Promise<{ readonly guard?: readonly GuardPart[] }> {
  const guard = [
    ...(await refusing(config, choice)),
    ...(await configured(config)),
    ...(await masking(config)),
  ]
  return guard.length === 0 ? {} : { guard }
}
