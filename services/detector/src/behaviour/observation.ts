import type { Rule } from '../sigma/rule.ts'

/** One reason to alert, before it is grouped. */
export interface Observation {
  readonly rule: Rule
  readonly tenant: string
  readonly timeMs: number
  readonly eventId: string
  /** Values of the fields that rules may group by. */
  readonly fields: Readonly<
    Record<'principal' | 'server' | 'target' | 'lane' | 'client', string | undefined>
  > &
    Readonly<{ group?: string | undefined }>
  readonly score: number
  /** A sentence for people; never matched text. */
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}
