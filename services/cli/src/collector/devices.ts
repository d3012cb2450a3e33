import { createApiKeyAdmin, apiKeys, createAuthenticator, openStateShelf } from '@muniment/auth'
import type { ApiKeyInfo, ApiKeyShelves } from '@muniment/auth'
import { AppError } from '@muniment/schema'
import type { StateStore } from '@muniment/state'

/** Who may send to the collector. A device has several keys while they are exchanged. */
export interface Devices {
  /** The key is nowhere but in the answer. Rejects with `INVALID_INPUT` for a name that cannot be one. */
  readonly add: (name: string) => Promise<{ readonly id: string; readonly key: string }>
  readonly list: () => Promise<readonly ApiKeyInfo[]>
  /** Revokes all keys of a name, and so its certificates; rejects with `NOT_FOUND` where it has none that holds. */
  readonly revoke: (name: string) => Promise<readonly string[]>
}

/** What a request shows of its device. */
export interface Shown {
  readonly authorization: string | undefined
  /** The name in a certificate that an accepted authority signed. */
  readonly certificate: string | undefined
  readonly address: string | undefined
}

export interface DevicesOptions {
  readonly state: StateStore
  readonly now: () => number
  readonly randomBytes: (size: number) => Uint8Array
}

const nameForm = /^[a-z0-9][a-z0-9-]{0,62}$/u
/** Not the keys of people and programs: a device may send batches and nothing else. */
const grant = { tenant: 'default', scopes: ['collector'] } as const
const rereadMs = 2000

function shelvesOf(state: StateStore): ApiKeyShelves {
  return {
    keys: openStateShelf(state, 'collector/devices'),
    uses: openStateShelf(state, 'collector/device-uses'),
  }
}

/** The name as it was given. Throws `INVALID_INPUT` for what no device can be called. */
export function checkedName(name: string): string {
  if (nameForm.test(name)) return name
  throw new AppError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 80))} is no name of a device.`, {
    hint: 'Use up to 63 lower-case letters, digits and dashes.',
  })
}

function isLive({ state }: ApiKeyInfo): boolean {
  return state === 'live'
}

/** The administration of devices. */
export function openDevices({ state, now, randomBytes }: DevicesOptions): Devices {
  const admin = createApiKeyAdmin({ ...shelvesOf(state), now, randomBytes })
  return {
    async add(name) {
      const { key, info } = await admin.create({ ...grant, name: checkedName(name) })
      return { id: info.id, key }
    },
    list: admin.list,
    async revoke(name) {
      const meant = (await admin.list()).filter(each => each.name === name && isLive(each))
      if (meant.length === 0)
        throw new AppError('NOT_FOUND', `No device ${JSON.stringify(name.slice(0, 80))} is enrolled.`, {
          hint: '`muniment keys device list` shows them.',
        })
      for (const { id } of meant) await admin.revoke(id)
      return meant.map(({ id }) => id)
    },
  }
}

/** Tells the enrolled name of a device by what it shows; who was revoked is out within seconds, and a list that cannot be read lets nobody in. */
export function createDeviceCheck(options: DevicesOptions): (shown: Shown) => Promise<string | undefined> {
  const { state, now } = options
  const method = apiKeys({ ...shelvesOf(state), now, scopes: grant.scopes, refreshMs: rereadMs })
  const authenticator = createAuthenticator({ methods: [method] })
  const { list } = openDevices(options)
  let names: Promise<ReadonlySet<string>> | undefined
  let readMs = -Infinity
  const enrolled = async (): Promise<ReadonlySet<string>> => {
    if (names === undefined || now() - readMs > rereadMs) {
      readMs = now()
      names = list().then(all => new Set(all.filter(isLive).map(({ name }) => name)))
      names.catch(() => (names = undefined))
    }
    return await names
  }
  return async ({ authorization, certificate, address }) => {
    if (authorization === undefined)
      return certificate !== undefined && (await enrolled()).has(certificate) ? certificate : undefined
    const header = (name: string): string | undefined =>
      name === 'authorization' ? authorization : undefined
    const outcome = await authenticator.check({ method: 'POST', target: '/', header, address })
    return 'refusal' in outcome ? undefined : outcome.principal.id
  }
}
