// What the parts of a guard cost, each beside the same calls without it.
import type { Figure } from './figure.ts'
import { keyFigures } from './guard-keys.ts'
import { maskFigures } from './guard-mask.ts'
import { partFigures } from './guard-parts.ts'
import { payloadFigures } from './guard-payloads.ts'

/** Runs the suite, part by part. */
export async function run(): Promise<readonly Figure[]> {
  return [...(await partFigures()), ...(await maskFigures()), ...payloadFigures(), ...(await keyFigures())]
}
