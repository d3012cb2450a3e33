import { readFileSync } from 'node:fs'
import { keyedFunctions } from '@muniment/keys'
import { createMasker, policyIssues, resolveMasking, type Masker } from '@muniment/pii'
import { piiRules, piiSectionSchema, type PiiRules } from '@muniment/pii/section'
import {
  createLineMask,
  readConfig,
  readSection,
  sectionIssue,
  type Config,
  type LoggerOptions,
  type Section,
} from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { openKeysOf } from './context.ts'

/** Stands for the keyed functions where a policy is only looked at. */
const unkeyed = (): string => ''

function rulesOf(section: Section): PiiRules {
  const rules = piiRules(readSection(section, piiSectionSchema))
  const [issue] = policyIssues({ ...rules.policy, token: unkeyed, hash: unkeyed })
  if (issue === undefined) return rules
  const path = issue.path[0] === 'minScore' ? ['min_score'] : issue.path
  throw sectionIssue(section, { path, problem: issue.problem })
}

/** What the section `pii` of the configuration says. Throws `CONFIG_INVALID` for a policy that cannot be used. */
export function piiRulesOf({ sections }: Config): PiiRules {
  return sections.pii === undefined ? piiRules({}) : rulesOf(sections.pii)
}

/** The same for a file of its own, laid out like `muniment.yaml`. */
export function piiRulesIn(path: string): PiiRules {
  const { sections } = readConfig({ env: {}, yaml: readFileSync(path, 'utf8') })
  if (sections.pii !== undefined) return rulesOf(sections.pii)
  throw new AppError('CONFIG_INVALID', `${path} has no section pii.`, {
    hint: 'Write the policy under pii:, as in muniment.yaml.',
  })
}

/** The option of `createLogger` that masks its lines, where policy and settings ask for it. */
export function lineMaskOf(config: Config): Pick<LoggerOptions, 'maskLine'> {
  const { policy, surfaces } = piiRulesOf(config)
  const { inLogs } = resolveMasking({ policy: surfaces, settings: config.masking, headers: {} })
  return inLogs.isMasked ? { maskLine: createLineMask(policy) } : {}
}

/** A masker with a policy for the tenant of the settings; opens keys only where tokens or hashes are asked for. */
export async function openPiiMasker({ policy }: PiiRules, config: () => Promise<Config>): Promise<Masker> {
  const { rules = [], otherwise } = policy
  const kinds = new Set([...rules.map(({ action }) => action.kind), otherwise?.kind])
  if (!kinds.has('token') && !kinds.has('hash')) return createMasker(policy)
  const settings = await config()
  await using context = await openKeysOf(settings)
  const { tenant } = settings.interceptor
  const { token, hash } = keyedFunctions(await context.keys.maskingKeys())
  return createMasker({
    ...policy,
    token: (kind, value) => token(kind, value, tenant),
    hash: (kind, value) => hash(kind, value, tenant),
  })
}
