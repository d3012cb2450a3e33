import { cloudEventHeaders, decisionKey, type Decision } from '@muniment/schema'
import type { ControlSigner, UnsignedDecision } from './signer.ts'
import { maxLifeMs } from './view.ts'

/** What is to be decided; times, version and signature follow. */
export interface DecisionDraft extends Omit<UnsignedDecision, 'v' | 'issued' | 'expires' | 'version'> {
  /** How long it holds; at most 31 days. */
  readonly lifeMs: number
}

interface Circumstances {
  readonly signer: ControlSigner
  /** Milliseconds since the epoch. */
  readonly nowMs: number
  /** The newest decision for the same key, in force or not. */
  readonly previous: Decision | undefined
}

/** A signed decision, newer than what there was for its key. */
export function signDecision(
  { lifeMs, ...draft }: DecisionDraft,
  { signer, nowMs, previous }: Circumstances,
): Decision {
  return signer.sign({
    ...draft,
    v: 1,
    issued: new Date(nowMs).toISOString(),
    expires: new Date(nowMs + Math.min(lifeMs, maxLifeMs)).toISOString(),
    // The time, so that who knows of no earlier decision makes no older one.
    version: Math.max(nowMs, (previous?.version ?? -1) + 1),
  })
}

/** The record of `mcp.control` that carries a decision. */
export function decisionRecord(decision: Decision): {
  readonly key: string
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
} {
  const key = decisionKey(decision)
  return {
    key,
    value: Buffer.from(JSON.stringify(decision)),
    headers: cloudEventHeaders({
      id: decision.signature.slice(0, 32),
      source: decision.rule === undefined ? '/operator' : `/detector/${decision.rule}`,
      type: 'dev.muniment.decision.v1',
      time: decision.issued,
      subject: key,
      partitionKey: key,
    }),
  }
}
