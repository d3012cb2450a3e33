export { authenticate } from './authenticate.ts'
export { authorise, openRules } from './authorise/authorise.ts'
export type { Asker, Rules, Ruling } from './authorise/decide.ts'
export { checkAuthorise, type AuthoriseOptions, type PolicyOptions } from './authorise/options.ts'
export type { Access, Needs, Role, RoleRule, RoleRules, Targets } from './authorise/roles.ts'
export { enforceDecisions, type DecisionOptions } from './decisions.ts'
export { reduceErrors, type ErrorOptions } from './errors.ts'
export { stages } from './guard.ts'
export type {
  DoorRefusal,
  DoorRequest,
  DoorVerdict,
  Guard,
  GuardContext,
  GuardPart,
  Refusal,
  Rewriting,
  Stage,
  Subject,
  Verdict,
} from './guard.ts'
export { limit, type LimitBy, type LimitOptions, type LimitRule } from './limit.ts'
export type { PolicyNote } from '../record.ts'
export { refusalCodes, refusalMessage, type RefusalMessage } from './refusal.ts'
export type { MaskBeforeModelOptions, RoundTripOptions } from './mask/options.ts'
export { maskBeforeModel } from './mask/part.ts'
export { sessions, type SessionsOptions } from './sessions.ts'
export { validate, type ValidateOptions } from './validate.ts'
