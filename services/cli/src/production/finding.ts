import type { Config } from '@muniment/runtime'

/** What one check of a production set-up found. */
export interface Finding {
  readonly check: string
  /** `must` keeps a production process from starting, `should` is said, `fine` is as it ought to be. */
  readonly level: 'fine' | 'should' | 'must'
  /** What is so; never a secret, nor a part of one. */
  readonly message: string
  readonly hint?: string
}

/** Who is about to start: only what concerns it is checked. `all` for everything. */
export type Starting = 'all' | 'up' | 'proxy' | 'worker'

/** What the checks look at. */
export interface Facts {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absent where it cannot be read, which is a finding of its own. */
  readonly config: Config | undefined
  readonly starting: Starting
  readonly nowMs: number
  readonly umask: number
  /** The user of this process; absent where the platform has no such numbers. */
  readonly uid: number | undefined
}

export type Check = (facts: Facts) => readonly Finding[]

/** The three verdicts of one check. */
export interface Verdicts {
  readonly fine: (message: string) => Finding
  readonly should: (message: string, hint: string) => Finding
  readonly must: (message: string, hint: string) => Finding
}

export function verdicts(check: string): Verdicts {
  return {
    fine: message => ({ check, level: 'fine', message }),
    should: (message, hint) => ({ check, level: 'should', message, hint }),
    must: (message, hint) => ({ check, level: 'must', message, hint }),
  }
}
