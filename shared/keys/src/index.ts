export { openSealed, type IngestKeyPair } from './unseal.ts'
