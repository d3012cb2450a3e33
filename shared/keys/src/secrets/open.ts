import { openFileSecrets } from './file.ts'
import { openMemorySecrets } from './memory.ts'
import type { AwsSecretsConfig } from './aws.ts'
import type { SecretStore } from './secrets.ts'

/** Which secrets to open. */
export type SecretsConfig =
  | { readonly kind: 'memory' }
  | { readonly kind: 'file'; readonly dir: string }
  | ({ readonly kind: 'aws' } & AwsSecretsConfig)

/** Opens the place that `config` names; nothing is read yet. */
export async function openSecrets(config: SecretsConfig): Promise<SecretStore> {
  if (config.kind === 'memory') return openMemorySecrets()
  if (config.kind === 'file') return openFileSecrets(config.dir)
  const { openAwsSecrets } = await import('./aws.ts')
  return await openAwsSecrets(config)
}
