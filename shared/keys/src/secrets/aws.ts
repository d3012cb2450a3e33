import { AppError, type ErrorCode } from '@muniment/schema'
import { awsClientOptions, type AwsReach } from '@muniment/state/aws'
import type { SecretChange, StoredName, SecretStore } from './secrets.ts'

/** Names and reach of the secrets in Secrets Manager. */
export interface AwsSecretsConfig extends Omit<AwsReach, 'forcePathStyle'> {
  /** Put before every name as it is, usually `muniment/`. */
  readonly prefix: string
}

type Action = 'GetSecretValue' | 'CreateSecret' | 'PutSecretValue' | 'UpdateSecretVersionStage'

interface Attempt {
  readonly name: StoredName
  /** The name in Secrets Manager. */
  readonly secretId: string
  readonly action: Action
}

const limits = { attempts: 3, requestTimeoutMs: 10_000 }

// By the name of the error, never by its status: servers of this protocol disagree on statuses.
const codes: Readonly<Record<string, ErrorCode>> = {
  ResourceNotFoundException: 'SECRET_MISSING',
  // A secret that is scheduled for deletion.
  InvalidRequestException: 'SECRET_MISSING',
  AccessDeniedException: 'SECRET_DENIED',
  AccessDenied: 'SECRET_DENIED',
  DecryptionFailure: 'SECRET_DENIED',
  EncryptionFailure: 'SECRET_DENIED',
  UnrecognizedClientException: 'SECRET_DENIED',
  InvalidClientTokenId: 'SECRET_DENIED',
  InvalidAccessKeyId: 'SECRET_DENIED',
  InvalidSignatureException: 'SECRET_DENIED',
  SignatureDoesNotMatch: 'SECRET_DENIED',
  ExpiredTokenException: 'SECRET_DENIED',
  CredentialsProviderError: 'SECRET_DENIED',
}

const happened: Partial<Record<ErrorCode, string>> = {
  SECRET_MISSING: 'is missing or scheduled for deletion',
  SECRET_DENIED: 'may not be used',
}

function permissionsOf({ action, secretId }: Attempt): string {
  const key = action === 'GetSecretValue' ? 'kms:Decrypt' : 'kms:GenerateDataKey and kms:Decrypt'
  return `secretsmanager:${action} on ${secretId} (and ${key} where a key of your own encrypts it)`
}

function hintOf(code: ErrorCode, attempt: Attempt): string | undefined {
  if (code === 'SECRET_DENIED')
    return `Grant this process ${permissionsOf(attempt)}, and check its AWS credentials.`
  if (code === 'SECRET_MISSING')
    return `Run \`muniment keys init\` with a role that has secretsmanager:CreateSecret, or restore ${attempt.secretId}.`
  return undefined
}

function failure(attempt: Attempt, error: unknown): AppError {
  if (error instanceof AppError) return error
  const reason = error instanceof Error ? error.name : 'unknown reason'
  const code = codes[reason] ?? 'DEPENDENCY_UNREACHABLE'
  const hint = hintOf(code, attempt)
  const { name, secretId, action } = attempt
  const what = happened[code] ?? 'cannot be reached in Secrets Manager'
  return new AppError(code, `The secret ${name} (${secretId}) ${what}: ${action} said ${reason}.`, {
    ...(hint !== undefined && { hint }),
    details: { secret: secretId, action, reason },
    cause: error,
  })
}

type Client = import('@aws-sdk/client-secrets-manager').SecretsManager

async function connect(config: AwsSecretsConfig): Promise<Client> {
  const { SecretsManager } = await import('@aws-sdk/client-secrets-manager')
  return new SecretsManager(awsClientOptions(config, limits))
}

async function run<T>(attempt: Attempt, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw failure(attempt, error)
  }
}

function whetherExists(error: unknown): boolean {
  if (error instanceof Error && error.name === 'ResourceExistsException') return false
  throw error
}

interface Current {
  readonly text: string | undefined
  readonly version: string | undefined
}

async function readCurrent(client: Client, attempt: Attempt): Promise<Current> {
  // The stage is named because one server of this protocol returns an old value without it.
  const request = { SecretId: attempt.secretId, VersionStage: 'AWSCURRENT' }
  const { SecretString: text, VersionId: version } = await run(
    attempt,
    async () => await client.getSecretValue(request),
  )
  return { text, version }
}

/** Somebody else moved the stage in the meantime. */
function whetherMoved(error: unknown): boolean {
  if (error instanceof Error && error.name === 'InvalidParameterException') return false
  throw error
}

/** The new text becomes a version without a stage first; then the stage moves, which only succeeds from the version that was compared. */
async function replaceCurrent(
  client: Client,
  at: (action: Action) => Attempt,
  { text, expected, forgetsOld = false }: SecretChange,
): Promise<boolean> {
  const current = await readCurrent(client, at('GetSecretValue'))
  if (current.text !== expected) return false
  const { secretId: SecretId } = at('PutSecretValue')
  const put = { SecretId, SecretString: text, VersionStages: ['AWSPENDING'] }
  const { VersionId } = await run(at('PutSecretValue'), async () => await client.putSecretValue(put))
  const attempt = at('UpdateSecretVersionStage')
  const move = async (
    VersionStage: string,
    to: string | undefined,
    from: string | undefined,
  ): Promise<boolean> =>
    await run(
      attempt,
      async () =>
        await client
          .updateSecretVersionStage({
            SecretId,
            VersionStage,
            MoveToVersionId: to,
            RemoveFromVersionId: from,
          })
          .then(() => true, whetherMoved),
    )
  if (!(await move('AWSCURRENT', VersionId, current.version))) return false
  // A version without a stage cannot be read by name any more, and Secrets Manager deletes it in time.
  if (forgetsOld) await move('AWSPREVIOUS', undefined, current.version)
  return true
}

/** Secrets in AWS Secrets Manager, or a server that speaks its protocol. They are administered elsewhere, so nothing is created on use. */
export async function openAwsSecrets(config: AwsSecretsConfig): Promise<SecretStore> {
  const client = await connect(config)
  const attemptAt = (name: StoredName, action: Action): Attempt => ({
    name,
    secretId: `${config.prefix}${name}`,
    action,
  })

  return {
    createsOnUse: false,
    async read(name) {
      const attempt = attemptAt(name, 'GetSecretValue')
      const { text } = await readCurrent(client, attempt)
      if (text === undefined)
        throw new AppError('SECRET_MALFORMED', `The secret ${name} (${attempt.secretId}) is not text.`)
      return text
    },
    async create(name, text) {
      const attempt = attemptAt(name, 'CreateSecret')
      const request = { Name: attempt.secretId, SecretString: text, Description: `Muniment: ${name}` }
      return await run(
        attempt,
        async () => await client.createSecret(request).then(() => true, whetherExists),
      )
    },
    replace: async (name, change) => await replaceCurrent(client, action => attemptAt(name, action), change),
    async [Symbol.asyncDispose]() {
      await Promise.resolve(client.destroy())
    },
  }
}
