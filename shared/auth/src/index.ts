export { createApiKeyAdmin, type ApiKeyAdmin, type ApiKeyInfo } from './api-keys/admin.ts'
export { apiKeyId } from './api-keys/key.ts'
export { apiKeys, type ApiKeyMethodOptions } from './api-keys/method.ts'
export { openAuthFiles, openAuthState, type ApiKeyShelves, type AuthShelves } from './api-keys/shelves.ts'
export {
  createAuthenticator,
  type Authenticator,
  type AuthenticatorOptions,
  type AuthOutcome,
} from './authenticator.ts'
export type { AuthRefusal } from './challenge.ts'
export { createOAuthClient, type OAuthClient, type OAuthClientOptions } from './client/client.ts'
export type { FailureOptions } from './failures.ts'
export { openFileShelf } from './file-shelf.ts'
export type { AuthRequest, Method, Principal } from './method.ts'
export type { IntrospectionOptions } from './oauth/introspection.ts'
export { mutualTls, type MutualTlsOptions } from './mtls/method.ts'
export { oauth } from './oauth/method.ts'
export type { OAuthOptions } from './oauth/options.ts'
export { createSessions, endAllSessions, type Sessions } from './sessions.ts'
export { openMemoryShelf, openStateShelf, type Shelf } from './shelf.ts'
