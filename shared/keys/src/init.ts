import { newSecretText, type Source } from './generations.ts'
import { secretNames, type SecretName, type SecretStore } from './secrets/secrets.ts'

/** What became of one secret. */
export interface InitResult {
  readonly name: SecretName
  /** `false`: it was there already and was left as it is. */
  readonly isCreated: boolean
}

/** Creates every secret that does not exist yet, and never overwrites one. */
export async function initSecrets(secrets: SecretStore, source: Source): Promise<readonly InitResult[]> {
  const results: InitResult[] = []
  for (const name of secretNames)
    results.push({ name, isCreated: await secrets.create(name, newSecretText(source)) })
  return results
}
