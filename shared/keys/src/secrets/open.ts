import { openFileSecrets } from './file.ts'
import { openMemorySecrets } from './memory.ts'
import type { SecretStore } from './secrets.ts'

/** Which secrets to open. `aws`: Secrets Manager, secrets named `<prefix><name>`; credentials, region and endpoint come from the AWS SDK's own settings. */
export type SecretsConfig =
  | { readonly kind: 'memory' }
  | { readonly kind: 'file'; readonly dir: string }
  | { readonly kind: 'aws'; readonly prefix: string }

/** Opens the place that `config` names; nothing is read yet. */
export async function openSecrets(config: SecretsConfig): Promise<SecretStore> {
  if (config.kind === 'memory') return openMemorySecrets()
  if (config.kind === 'file') return openFileSecrets(config.dir)
  const { openAwsSecrets } = await import('./aws.ts')
  return await openAwsSecrets(config)
}
