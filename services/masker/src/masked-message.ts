import type { MunimentEvent } from '@muniment/schema'

/** That something was found, where and how often. */
export type Finding = MunimentEvent['pii']['findings'][number]

/** Masks the text of a message. */
export type MaskMessage = (text: string) => { readonly text: string; readonly findings: readonly Finding[] }

/** A message as it goes into its event. */
export interface MaskedMessage {
  /** A JSON value: the message itself, or a string of it where it is no JSON. */
  readonly json: string
  readonly text: string
  readonly digest: string
  readonly findings: readonly Finding[]
  readonly itemCount: number | undefined
  /** Only the beginning is left. */
  readonly isCut: boolean
}
