import type { GuardPart } from '@muniment/interceptor/guard'
import type { Config } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
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

/** Where the rules lie: two files would leave open which of them holds. */
async function rulesFile(
  { sections: { guard } }: Config,
  given: string | undefined,
): Promise<string | undefined> {
  if (guard === undefined) return given
  const { authoriseFileIn } = await import('./guard-section.ts')
  const named = authoriseFileIn(guard)
  if (named === undefined || given === undefined) return given ?? named
  throw new AppError('CONFIG_INVALID', 'Both --authorise and guard.authorise name rules.', {
    hint: 'Leave one of them out.',
  })
}

/** The parts of the guard that were asked for, here and in the configuration. Throws `CONFIG_INVALID` for rules that cannot be meant. */
export async function guardOf(
  config: Config,
  { enforce, authorise }: GuardChoice,
): Promise<{ readonly guard?: readonly GuardPart[] }> {
  const guard = [
    ...(await refusing(config, { enforce, authorise: await rulesFile(config, authorise) })),
    ...(await configured(config)),
    ...(await masking(config)),
  ]
  return guard.length === 0 ? {} : { guard }
}
