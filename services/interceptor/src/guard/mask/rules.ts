import type { Action, Policy, Rule } from '@muniment/pii'
import { binaryPaths, programNames, protocolPaths, shapedPaths } from '@muniment/pii/mcp'

/** A masking policy as people write it: its keyed functions are the guard's. */
export type MaskPolicy = Omit<Policy, 'token' | 'hash' | 'vault' | 'shapedAt'>

const keep: Action = { kind: 'keep' }

/** What a picture or an archive looks like as base64 is no secret; what is text in it was masked as text before. */
const protocolRules: readonly Rule[] = [
  { paths: protocolPaths, action: keep },
  programNames,
  { types: ['SECRET'], paths: binaryPaths, action: keep },
]

type Change = (action: Action) => Action

/** Tokens of the guard are those of a conversation, whichever kind of token a policy names for the archive. */
const conversational: Change = action =>
  action.kind === 'token'
    ? { kind: 'token', ...(action.keepsShape !== undefined && { keepsShape: action.keepsShape }) }
    : action

/** Where there is no conversation nothing can be joined or restored. */
const anonymous: Change = action => {
  if (action.kind === 'token' && action.keepsShape === true) return { kind: 'remove', keepsShape: true }
  return action.kind === 'token' || action.kind === 'hash' ? { kind: 'remove' } : action
}

function changedRule(rule: Rule, change: Change): Rule {
  return { ...rule, action: change(rule.action) }
}

function changed(policy: MaskPolicy, change: Change): MaskPolicy & Pick<Policy, 'shapedAt'> {
  const { rules = [], otherwise = { kind: 'token' } } = policy
  return {
    ...policy,
    rules: [...protocolRules, ...rules.map(rule => changedRule(rule, change))],
    otherwise: change(otherwise),
    shapedAt: shapedPaths,
  }
}

/** A policy for conversations, and one for what belongs to none. */
export function modelPolicies(
  policy: MaskPolicy,
): Readonly<Record<'conversational' | 'anonymous', MaskPolicy>> {
  return { conversational: changed(policy, conversational), anonymous: changed(policy, anonymous) }
}
