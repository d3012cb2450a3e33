import { createMasker, type Policy, type Rule } from '@muniment/pii'

/** What the logger itself writes, and nobody else can. */
const ownFields: Rule = {
  paths: ['time', 'level', 'event', 'name', 'component', 'pid'],
  surfaces: ['logs'],
  action: { kind: 'keep' },
}

/** Keys are read after the log is opened, so what would be a token is removed. */
function keyless({ action, ...rest }: Rule): Rule {
  const isKeyed = action.kind === 'token' || action.kind === 'hash'
  return { ...rest, action: isKeyed ? { kind: 'remove' } : action }
}

/** Masks personal data in the lines of a log by the rules that a policy has for `logs`; a line stays a line of JSON. */
export function createLineMask(policy: Omit<Policy, 'token' | 'hash'> = {}): (line: string) => string {
  const { rules = [], otherwise = { kind: 'remove' } } = policy
  const { action } = keyless({ action: otherwise })
  const masker = createMasker({ ...policy, rules: [ownFields, ...rules.map(keyless)], otherwise: action })
  return line => masker.mask(line, { surface: 'logs' }).text
}
