import { isAppError, type ErrorCode } from '@muniment/schema'
import { parseSecret } from './generations.ts'
import { secretNames, type SecretName, type SecretStore } from './secrets/secrets.ts'

/** What is known of one secret without its keys. */
export type SecretStatus =
  | {
      readonly name: SecretName
      readonly isUsable: true
      /** Oldest first. */
      readonly generations: readonly { readonly id: string; readonly activeFromMs: number }[]
    }
  | {
      readonly name: SecretName
      readonly isUsable: false
      readonly code: ErrorCode
      readonly problem: string
    }

/** Which generations of each secret this process can use, and why it cannot use the others; never a key. */
export async function inspectSecrets(secrets: SecretStore): Promise<readonly SecretStatus[]> {
  const found: SecretStatus[] = []
  for (const name of secretNames)
    try {
      const generations = parseSecret(name, await secrets.read(name))
      found.push({
        name,
        isUsable: true,
        generations: generations.map(({ id, activeFromMs }) => ({ id, activeFromMs })),
      })
    } catch (error) {
      if (!isAppError(error)) throw error
      found.push({ name, isUsable: false, code: error.code, problem: error.message })
    }
  return found
}
