import type { Config } from '@muniment/runtime'
import { piiRulesOf } from '../pii-rules.ts'
import { verdicts, type Check, type Finding } from './finding.ts'

function authentication({ sections }: Config): Finding {
  const { fine, should } = verdicts('auth')
  if (sections.auth !== undefined) return fine('in muniment.yaml says whom `muniment proxy` lets in')
  return should(
    'is no section of muniment.yaml: `muniment proxy` asks nobody who they are.',
    'Say there which keys, tokens or certificates count, unless the server behind it asks itself.',
  )
}

function masking(config: Config): Finding {
  const { fine, should } = verdicts('MASK_PII_BEFORE_LLM')
  if (config.masking.beforeLlm === true) return fine('is true: models see no personal data')
  if (piiRulesOf(config).surfaces.beforeLlm.isMasked === true)
    return fine('need not be set: the section pii masks before models see anything')
  return should(
    'is not true: what servers answer reaches the model as it is.',
    'Set MASK_PII_BEFORE_LLM=true, unless models are to see personal data.',
  )
}

/** What a caller may do where a part of the section is off. */
const parts: readonly (readonly [name: string, means: string])[] = [
  ['authorise', 'who is let in may use every tool'],
  ['limit', 'callers may ask as much as they like'],
  [
    'sessions',
    'clients of 2025 and before see the ids that servers give their sessions, however easy to guess',
  ],
  ['validate', 'arguments reach servers unchecked: payloads, paths, sizes'],
  ['errors', 'callers read what servers say of their insides when they fail'],
]

function isOn({ sections }: Config, part: string): boolean {
  const value = sections.guard?.value
  return typeof value === 'object' && value !== null && Object.hasOwn(value, part)
}

function partFindings(config: Config): readonly Finding[] {
  return parts.map(([part, means]) => {
    const { fine, should } = verdicts(`guard.${part}`)
    if (isOn(config, part)) return fine('stands before servers')
    return should(
      `is off: ${means}.`,
      `Add ${part} to the section guard of muniment.yaml; infra/docs/guard.md has all of it.`,
    )
  })
}

/** Parts of the guard that settings switch on; `--enforce` and `--authorise` are said to each `wrap` and `proxy`. */
export const guardChecks: readonly Check[] = [
  ({ config }) =>
    config === undefined ? [] : [authentication(config), masking(config), ...partFindings(config)],
]
