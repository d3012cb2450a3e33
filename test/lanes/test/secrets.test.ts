import {
  CreateSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { expect, test } from 'vitest'
import { secretsError, startFaultProxy } from '../fault-proxy.ts'
import { describeLanes } from '../lanes.ts'
import { startSecrets, type SecretsServer } from '../secrets.ts'

function client(server: SecretsServer, endpoint = server.endpoint): SecretsManagerClient {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  return new SecretsManagerClient({ endpoint, region: server.region, credentials, maxAttempts: 1 })
}

const current = new GetSecretValueCommand({ SecretId: 'muniment/root', VersionStage: 'AWSCURRENT' })

describeLanes(['secrets'], 'the Secrets Manager lane', () => {
  test('a secret is created and read, and refusals arrive with their names', async () => {
    await using server = await startSecrets()
    const secrets = client(server)
    await expect(secrets.send(current)).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    await secrets.send(new CreateSecretCommand({ Name: 'muniment/root', SecretString: 'generated' }))
    expect((await secrets.send(current)).SecretString).toBe('generated')
    await using proxy = await startFaultProxy(server.endpoint)
    proxy.setRule(() => secretsError(400, 'AccessDeniedException'))
    const refused = client(server, proxy.endpoint).send(current)
    await expect(refused).rejects.toMatchObject({ name: 'AccessDeniedException' })
  }, 60_000)
})
