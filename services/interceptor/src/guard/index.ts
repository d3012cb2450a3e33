export { enforceDecisions, type DecisionOptions } from './decisions.ts'
export type { Guard, GuardContext, GuardPart, PolicyNote, Refusal, Subject, Verdict } from './guard.ts'
export { refusalCodes, refusalMessage, type RefusalMessage } from './refusal.ts'
