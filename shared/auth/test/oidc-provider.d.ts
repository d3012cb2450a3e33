// What the tests use of `oidc-provider`, which brings no types.
declare module 'oidc-provider' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

  interface Context {
    readonly path: string
    readonly req: IncomingMessage
    readonly res: ServerResponse
    respond: boolean
  }
  interface Grant {
    addOIDCScope(scope: string): void
    addResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }
  interface Entities {
    readonly provider: { readonly Grant: new (of: { clientId: string; accountId: string }) => Grant }
    readonly client: { readonly clientId: string }
    readonly session: { readonly accountId: string }
  }
  interface Configuration {
    readonly issueRefreshToken: (
      context: unknown,
      client: { grantTypeAllowed(type: string): boolean },
    ) => boolean
    readonly findAccount: (context: unknown, sub: string) => object
    readonly interactions: { readonly url: (context: unknown, interaction: { uid: string }) => string }
    readonly loadExistingGrant: (context: { readonly oidc: Entities }) => Promise<Grant>
    readonly [setting: string]: unknown
  }
  export class Provider {
    constructor(issuer: string, configuration: Configuration)
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): void
    callback(): RequestListener
    interactionDetails(
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<{ params: Record<string, unknown>; prompt: { name: string }; grantId: string }>
    readonly interactionFinished: (
      ...answer: [request: IncomingMessage, response: ServerResponse, result: object, options: object]
    ) => Promise<void>
  }
  export const errors: { readonly InvalidTarget: new () => Error }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  export function createMemoryAdapter(): unknown
}
