export type { KeyAdmin } from './admin.ts'
export {
  createControlVerifier,
  type ControlSigner,
  type ControlVerifier,
  type UnsignedDecision,
} from './control/signer.ts'
export { decisionRecord, signDecision, type DecisionDraft } from './control/decide.ts'
export { sealSnapshot } from './control/snapshot.ts'
export { createHolds, type Hold } from './holds.ts'
export { initSecrets, type InitResult } from './init.ts'
export { inspectSecrets, type SecretStatus } from './inspect.ts'
export { openKeys, type Keys, type KeysOptions } from './keys.ts'
export type { LogSigner } from './log-signer.ts'
export { keyedFunctions, type KeyedFunctions, type MaskingKeys } from './masking.ts'
export { openRoundTripStore, type RoundTripStore } from './round-trip.ts'
export { roundTripKeys } from './round-trip-keys.ts'
export { readSinkSecrets } from './secrets/sinks.ts'
export { openSecrets, type SecretsConfig } from './secrets/open.ts'
export { secretNames, type SecretName, type SecretStore } from './secrets/secrets.ts'
export type { DataKey, SegmentKeys } from './segment-keys.ts'
export type { Rotation } from './rotate.ts'
export type { TenantKeyInfo } from './tenant-key-admin.ts'
export type { Subject, TokenVault } from './vault.ts'
