import { readings } from './decode.ts'
import type { Document } from './document.ts'
import { featuresOf } from './features.ts'
import { roleOf, type Role } from './roles.ts'

/** A text under inspection: what several detectors need of it, computed once and only if asked for. */
export interface Inspection {
  readonly document: Document
  readonly text: string
  readonly role: Role
  readonly features: number
  /** The text as its readers may see it; the text itself comes first. */
  readonly readings: () => readonly string[]
  /** The text in lower case. */
  readonly lower: () => string
}

/** Prepares a text for the detectors. */
export function inspection(document: Document): Inspection {
  const { text } = document
  let read: readonly string[] | undefined
  let lowered: string | undefined
  return {
    document,
    text,
    role: document.source === 'argument' ? roleOf(document.name) : 'text',
    features: featuresOf(text),
    readings: () => (read ??= readings(text)),
    lower: () => (lowered ??= text.toLowerCase()),
  }
}
