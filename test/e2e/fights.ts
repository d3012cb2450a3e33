// Workers that fight each other or are killed, and what they must have made of it in the end.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openArchive, openStore, verifyArchive, type StoreConfig } from '@muniment/archive'
import { openBus, type Bus } from '@muniment/bus'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { topic } from '@muniment/schema'
import { openState } from '@muniment/state'
import { expect, vi } from 'vitest'
import { benchEvent } from '../bench/archive-rig.ts'
import type { FightPlace } from '../fixtures/fighter.ts'
import { inherited } from '../lanes/environment.ts'

const program = fileURLToPath(import.meta.resolve('../fixtures/fighter.ts'))

/** A worker in a process of its own. */
export interface Fighter extends AsyncDisposable {
  /** Throws where it ended by itself. */
  readonly assertAlive: () => void
  readonly kill9: () => Promise<void>
  /** Starts it again and resolves when it works. */
  readonly restart: () => Promise<void>
}

interface Started {
  readonly child: ChildProcess
  readonly text: () => string
}

async function start(args: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [program, ...args], {
    env: inherited(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const ready = once(child.stdout, 'data')
  const [first] = await Promise.race([ready, once(child, 'exit').then(() => [undefined])])
  child.stdout.resume()
  if (first === undefined) throw new Error(`it ended before it was ready: ${text}`)
  return { child, text: () => text }
}

async function end({ child }: Started, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

/** Starts a worker in a role and resolves when it works. */
export async function startFighter(role: string, place: FightPlace): Promise<Fighter> {
  const launch = (): Promise<Started> => start([role, JSON.stringify(place)])
  let started = await launch()
  return {
    assertAlive() {
      const { child, text } = started
      if (child.exitCode !== null) throw new Error(`${role} ended with ${child.exitCode}: ${text()}`)
    },
    kill9: () => end(started, 'SIGKILL'),
    async restart() {
      started = await launch()
    },
    [Symbol.asyncDispose]: () => end(started, 'SIGTERM'),
  }
}

/** A place in `folder` for a bus, keys and a lease, and a store somewhere. */
export function placeIn(folder: string, store: StoreConfig): FightPlace {
  const [bus, keys, lease] = [join(folder, 'bus'), join(folder, 'keys'), join(folder, 'lease')]
  for (const each of [folder, bus, keys, lease]) mkdirSync(each, { recursive: true })
  return { bus, keys, lease, store }
}

export async function keysIn(place: FightPlace): Promise<Keys> {
  const state = await openState({ kind: 'file', dir: join(place.keys, 'state') })
  const secrets = await openSecrets({ kind: 'file', dir: join(place.keys, 'secrets') })
  return openKeys({
    secrets,
    state,
    now: Date.now,
    randomBytes,
    cacheTtlMs: 60_000,
    logName: 'fight.test/log',
  })
}

const tenants = ['acme', 'bmce', 'chem']

/** Events of one lane in order, from `first` on; every seventh is on the bus twice, as after a producer's retry. */
function recordsFrom(first: number, count: number): Parameters<Bus['publish']>[1] {
  return Array.from({ length: count }, (_, at) => first + at).flatMap(seq => {
    const tenant = tenants[seq % tenants.length] ?? ''
    const value = benchEvent({ seq, tenant })
    const headers = { mun_lane: 'bench/1', mun_seq: String(seq), mun_from: String(seq), mun_tenant: tenant }
    const record = { key: 'bench/1', value, headers, partition: 0 }
    return seq % 7 === 3 ? [record, record] : [record]
  })
}

/** Publishes to several buses alike. */
export async function publishTo(buses: readonly Bus[], first: number, count: number): Promise<void> {
  const records = recordsFrom(first, count)
  await Promise.all(buses.map(bus => bus.publish(topic.events, records)))
}

export async function openBusIn({ bus: dir }: FightPlace): Promise<Bus> {
  const bus = await openBus({ kind: 'embedded', dir })
  await bus.createTopics()
  return bus
}

/** Waits until everything that is on the bus is archived and signed, then holds the archive to what was published: each event once, nothing altered, nothing forked. */
export async function expectConserved(place: FightPlace, bus: Bus, count: number): Promise<void> {
  await using store = await openStore(place.store)
  const keys = await keysIn(place)
  const archive = openArchive({ store, keys: keys.segmentKeys })
  const [state] = await bus.describe(topic.events)
  const { vkey: verifierKey } = await keys.logSigner()
  await vi.waitFor(
    async () => {
      const newest = await archive.newest(topic.events, 0)
      expect(newest?.manifest.next_offset).toBe(state?.nextOffset)
      const { notes } = await verifyArchive({ store, verifierKey })
      expect(notes.filter(({ code }) => code === 'log.unanchored')).toEqual([])
    },
    { timeout: 60_000, interval: 500 },
  )
  const report = await verifyArchive({ store, keys: keys.segmentKeys, verifierKey })
  expect(report.problems).toEqual([])
  expect(report.checked.records).toBe(count)
}
