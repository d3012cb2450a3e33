/** How to reach a service of AWS, or a server that speaks its protocol; what is absent comes from the AWS SDK's own settings. */
export interface AwsReach {
  readonly region?: string | undefined
  readonly endpoint?: string | undefined
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
  /** For S3: `true` for servers that are not AWS. */
  readonly forcePathStyle?: boolean | undefined
}

interface Limits {
  readonly attempts: number
  readonly requestTimeoutMs: number
}

interface ClientOptions {
  readonly maxAttempts: number
  readonly requestHandler: object
  readonly region?: string
  readonly endpoint?: string
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly forcePathStyle?: boolean
}

const connectionTimeoutMs = 5_000

/** Options for every AWS client: by the SDK's defaults a server that has stopped answering would be waited for without end. */
export function awsClientOptions(reach: AwsReach, { attempts, requestTimeoutMs }: Limits): ClientOptions {
  const { region, endpoint, credentials, forcePathStyle } = reach
  return {
    maxAttempts: attempts,
    requestHandler: {
      requestTimeout: requestTimeoutMs,
      connectionTimeout: connectionTimeoutMs,
      throwOnRequestTimeout: true,
    },
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials !== undefined && { credentials }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
  }
}
