import { AppError, isAppError, type ErrorCode } from '@muniment/schema'

/** Something an operator should know of; the observed server goes on. Never holds payloads, tokens or keys. */
export interface Problem {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
}

export type OnProblem = (problem: Problem) => void

export function problem(code: ErrorCode, message: string, hint?: string): Problem {
  return new AppError(code, message, hint === undefined ? {} : { hint })
}

/** What is told of a failure: foreign errors only by name and code, for their texts may quote what was sent. */
export function problemOf(error: unknown, what: string): Problem {
  if (isAppError(error)) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  const name = error instanceof Error ? error.name : typeof error
  return problem('SERVICE_ERROR', `${what}: ${code ?? name}.`)
}

const repeatAfterMs = 600_000

/** Tells a problem again only after ten minutes, so that a fault of every call is one line, not thousands. */
export function throttled(onProblem: OnProblem, nowMs: () => number): OnProblem {
  const told = new Map<string, number>()
  return one => {
    const now = nowMs()
    // What to do next tells faults of one code apart, and never counts anything.
    const fault = `${one.code} ${one.hint}`
    const last = told.get(fault)
    if (last !== undefined && now - last < repeatAfterMs) return
    told.set(fault, now)
    onProblem(one)
  }
}

/** The listener is the host's: its faults must become neither the observer's nor the call's. */
export function fenced(onProblem: OnProblem): OnProblem {
  return one => {
    try {
      onProblem(one)
    } catch {
      // There is nobody left to tell.
    }
  }
}
