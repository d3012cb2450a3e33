// What stands before any worker runs: keys, brokers, store and state, all of which outlive every process.
import type { KeyObject } from 'node:crypto'
import { openStore, type ArchiveStore } from '@muniment/archive'
import { loadRules, type RulePack } from '@muniment/detector'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { createMask } from '@muniment/masker'
import { openState, type StateStore } from '@muniment/state'
import { createBroker, type Broker, type Surroundings } from './broker.ts'
import { createFaults } from './faults.ts'
import { createRandom } from './random.ts'
import { epochMs, type Time } from './time.ts'
import type { Trace } from './trace.ts'
import { sabotagedStore, type Sabotage } from './sabotage.ts'

/** A whole installation of which nothing runs yet. */
export interface Site {
  readonly surroundings: Surroundings
  readonly broker: Broker
  readonly store: ArchiveStore
  readonly state: StateStore
  readonly keys: Keys
  readonly ingestKey: string
  readonly evidenceKey: (tenant: string) => Promise<KeyObject>
  readonly sabotage: Sabotage
}

/** The same for all runs, because they are dear to make. */
export const mask = createMask()
export const pack: RulePack = loadRules()

const cacheTtlMs = 86_400_000

export interface SiteOptions {
  readonly seed: number
  readonly time: Time
  readonly trace: Trace
  readonly sabotage: Sabotage
}

/** Prepares the installation of a seed. */
export async function openSite({ seed, time, trace, sabotage }: SiteOptions): Promise<Site> {
  const random = createRandom(`seed ${seed}`)
  const faults = createFaults(random.fork('faults'))
  const surroundings = { time, random: random.fork('surroundings'), faults, trace }
  const state = await openState({ kind: 'memory' })
  const secrets = await openSecrets({ kind: 'memory' })
  const now = (): number => epochMs + Math.floor(time.nowMs())
  const randomBytes = random.fork('keys').bytes
  const keys = openKeys({ secrets, state, now, randomBytes, cacheTtlMs, logName: 'sim.example/log' })
  return {
    surroundings,
    broker: createBroker(surroundings),
    store: sabotagedStore(await openStore({ kind: 'memory' }), sabotage),
    state,
    keys,
    ingestKey: await keys.ingestPublicKey(),
    evidenceKey: async tenant => (await keys.maskingKeys()).tokenKey(tenant, 'evidence'),
    sabotage,
  }
}
