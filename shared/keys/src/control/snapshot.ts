import { decisionSchema, type Decision } from '@muniment/schema'
import type { ControlSigner, ControlVerifier } from './signer.ts'

/** Every decision in force at one moment, signed as a whole, so that none can be taken out. */
export interface ControlSnapshot {
  /** Milliseconds since the epoch; an older snapshot never replaces a newer one. */
  readonly takenMs: number
  readonly decisions: readonly Decision[]
}

const purpose = 'muniment-control-snapshot/v1'

function isContent(value: unknown): value is { readonly taken_ms: unknown; readonly decisions: unknown[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'taken_ms' in value &&
    'decisions' in value &&
    Array.isArray(value.decisions)
  )
}

/** A snapshot as a text: the signature on a line of its own, then what it signs. */
export function sealSnapshot(signer: ControlSigner, { takenMs, decisions }: ControlSnapshot): string {
  const content = JSON.stringify({ taken_ms: takenMs, decisions })
  return `${signer.signText(purpose, content)}\n${content}`
}

function parse(content: string): ControlSnapshot | undefined {
  try {
    const value: unknown = JSON.parse(content)
    if (!isContent(value) || typeof value.taken_ms !== 'number') return undefined
    // Actions of a later version are not ours to take.
    const decisions = value.decisions.flatMap(each => decisionSchema.safeParse(each).data ?? [])
    return { takenMs: value.taken_ms, decisions }
  } catch {
    return undefined
  }
}

/** The snapshot in a text; `undefined` where it is none, is cut, or was not signed by a holder of a control key. */
export function openSnapshot(verifier: ControlVerifier, text: string): ControlSnapshot | undefined {
  const end = text.indexOf('\n')
  const content = text.slice(end + 1)
  if (end < 0 || !verifier.verifyText({ purpose, text: content, signature: text.slice(0, end) }))
    return undefined
  return parse(content)
}
