import { readings } from './decode.ts'
import type { Document } from './document.ts'
import { feature, featuresOf } from './features.ts'
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

/** Without any of these a text reads as it stands. */
const coded = feature.percent | feature.ampersand | feature.backslash | feature.rare | feature.run
const mostForBlob = 8192

/** Prepares a text for the detectors. */
export function inspection(document: Document): Inspection {
  const { text } = document
  const features = featuresOf(text)
  const mayBeBlob = text.length >= 12 && text.length < mostForBlob && (features & feature.space) === 0
  let read: readonly string[] | undefined
  let lowered: string | undefined
  return {
    document,
    text,
    role: document.source === 'argument' ? roleOf(document.name) : 'text',
    features,
    readings: () => (read ??= (features & coded) !== 0 || mayBeBlob ? readings(text) : [text]),
    lower: () => (lowered ??= text.toLowerCase()),
  }
}
