import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { createKeyAdmin, type KeyAdmin } from './admin.ts'
import {
  createControlSigner,
  createControlVerifier,
  type ControlSigner,
  type ControlVerifier,
} from './control/signer.ts'
import { x25519PrivateKey, x25519Raw } from './hpke.ts'
import { createKeyring, type Keyring, type KeyringOptions, type KeyringSpec } from './keyring.ts'
import { createLogSigner, type LogSigner } from './log-signer.ts'
import { createMaskingKeys, type MaskingKeys } from './masking.ts'
import { createSegmentKeys, type SegmentKeys } from './segment-keys.ts'
import { createTenantKeys, tenantKeyFolder, type RootKey } from './tenant-keys.ts'
import { openSealed, type IngestKeyPair } from './unseal.ts'
import { createTokenVault, type TokenVault } from './vault.ts'
import type { Generation } from './generations.ts'
import type { SecretName, SecretStore } from './secrets/secrets.ts'
import type { StateStore } from '@muniment/state'

/** What keys are made from. */
export interface KeysOptions {
  readonly secrets: SecretStore
  /** Holds wrapped tenant keys. */
  readonly state: StateStore
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly randomBytes: (size: number) => Uint8Array
  /** How long a secret or tenant key stays in memory; also how long a rotation or a destruction takes to be felt. */
  readonly cacheTtlMs: number
  /** Name of the archive's log, needed by `logSigner` and `logVerifierKeys` only. */
  readonly logName?: string | undefined
}

/**
 * Every key of the product. Each call reads only the secret it needs, on first use, so a process needs only the permissions for its own work.
 * Rejects with `SECRET_MISSING`, `SECRET_DENIED`, `SECRET_MALFORMED` or `DEPENDENCY_UNREACHABLE` where a secret cannot be had.
 */
export interface Keys {
  /** Reads these secrets now, so that a start fails early, with the name of the secret and the permission. */
  readonly require: (names: readonly SecretName[]) => Promise<void>
  /** The current ingest public key, `<kid>.<base64url>`. Secret: ingest. */
  readonly ingestPublicKey: () => Promise<string>
  /** Opens a sealed batch. `BATCH_UNREADABLE`: no such key here, or altered; `BATCH_MALFORMED`: too short. Secret: ingest. */
  readonly unseal: (kid: string, sealed: Uint8Array, aad: Uint8Array) => Promise<Uint8Array>
  /** Keys of the current generation for digests and tokens; take them once per batch. Secret: masking. */
  readonly maskingKeys: () => Promise<MaskingKeys>
  /** `maskingKeys().digestKey(tenant)`. */
  readonly digestKey: (tenant: string) => Promise<KeyObject>
  /** Keys for the archive's segments. Secret: root. */
  readonly segmentKeys: SegmentKeys
  /** Signs checkpoints with the current key. Secret: log. */
  readonly logSigner: () => Promise<LogSigner>
  /** Verifier keys of every live generation, for auditors. Secret: log. */
  readonly logVerifierKeys: () => Promise<readonly string[]>
  /** Signs decisions with the current key. Secret: control. */
  readonly controlSigner: () => Promise<ControlSigner>
  /** Accepts decisions signed with any live key. Secret: control. */
  readonly controlVerifier: () => Promise<ControlVerifier>
  /** Public keys of every live generation, for those who hold no secret. Secret: control. */
  readonly controlPublicKeys: () => Promise<readonly string[]>
  /** Random tokens that can be erased one by one. Secret: masking. */
  readonly vault: TokenVault
  /** Turns keys over and destroys them. */
  readonly admin: KeyAdmin
}

function ingestPair({ id, key }: Generation): IngestKeyPair {
  const privateKey = x25519PrivateKey(key)
  return { kid: id, privateKey, key: createPublicKey(privateKey), raw: x25519Raw(privateKey) }
}

/** Whether the state holds nothing that only a lost root secret could open. */
async function isStateNew(state: StateStore): Promise<boolean> {
  for await (const _ of state.list(`${tenantKeyFolder}/`)) return false
  return true
}

function logSignerOf(name: string | undefined, { key }: Generation): LogSigner {
  if (name === undefined) throw new AppError('CONFIG_INVALID', 'The log has no name: set MUNIMENT_LOG_NAME.')
  return createLogSigner(name, key)
}

interface Keyrings {
  readonly root: Keyring<RootKey>
  readonly masking: Keyring<MaskingKeys>
  readonly ingest: Keyring<IngestKeyPair>
  readonly log: Keyring<LogSigner>
  readonly control: Keyring<ControlSigner>
}

function openKeyrings(options: KeysOptions): Keyrings {
  const ring = <K>(spec: KeyringSpec<K>): Keyring<K> =>
    createKeyring<K>(options satisfies KeyringOptions, spec)
  return {
    root: ring({
      name: 'root',
      load: ({ id, key }) => ({ id, key: createSecretKey(key) }),
      mayCreate: async () => await isStateNew(options.state),
    }),
    masking: ring({ name: 'masking', load: createMaskingKeys }),
    ingest: ring({ name: 'ingest', load: ingestPair }),
    log: ring({ name: 'log', load: generation => logSignerOf(options.logName, generation) }),
    control: ring({ name: 'control', load: ({ id, key }) => createControlSigner(id, key) }),
  }
}

async function unsealWith(ring: Keyring<IngestKeyPair>, kid: string, sealed: Sealed): Promise<Uint8Array> {
  const pair = await ring.find(kid)
  if (pair === undefined)
    throw new AppError(
      'BATCH_UNREADABLE',
      `A batch is sealed to the ingest key ${JSON.stringify(kid.slice(0, 80))}, which is not held here.`,
    )
  return openSealed(pair, sealed.value, sealed.aad)
}

interface Sealed {
  readonly value: Uint8Array
  readonly aad: Uint8Array
}

/** Opens the keys; nothing is read before it is needed. */
export function openKeys(options: KeysOptions): Keys {
  const { secrets, state, now, randomBytes, cacheTtlMs } = options
  const rings = openKeyrings(options)
  const tenantKeyOptions = { root: rings.root, state, now, randomBytes, cacheTtlMs }
  const tenantKeys = createTenantKeys(tenantKeyOptions)
  const controlPublicKeys = async (): Promise<readonly string[]> =>
    (await rings.control.all()).map(signer => signer.publicKey)
  return {
    async require(names) {
      for (const name of names) await rings[name].all()
    },
    async ingestPublicKey() {
      const { kid, raw } = await rings.ingest.current()
      return `${kid}.${Buffer.from(raw).toString('base64url')}`
    },
    unseal: async (kid, value, aad) => await unsealWith(rings.ingest, kid, { value, aad }),
    maskingKeys: async () => await rings.masking.current(),
    digestKey: async tenant => (await rings.masking.current()).digestKey(tenant),
    segmentKeys: createSegmentKeys(tenantKeys, randomBytes),
    logSigner: async () => await rings.log.current(),
    logVerifierKeys: async () => (await rings.log.all()).map(signer => signer.vkey),
    controlSigner: async () => await rings.control.current(),
    controlVerifier: async () => createControlVerifier(await controlPublicKeys()),
    controlPublicKeys,
    vault: createTokenVault({
      state,
      generations: rings.masking.all,
      current: rings.masking.current,
      randomBytes,
    }),
    admin: createKeyAdmin({ ...tenantKeyOptions, secrets }),
  }
}
