// What befalls processes and services as a whole, at random times.
import type { Broker } from './broker.ts'
import { replayLetters } from './operator.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'

export interface NemesisOptions {
  readonly broker: Broker
  readonly random: Random
  readonly durationMs: number
  readonly workers: () => readonly Process[]
  readonly producers: () => readonly Process[]
}

type Blow = (options: NemesisOptions) => void

function anyOf<T>(random: Random, items: readonly T[]): T | undefined {
  return items[random.int(items.length)]
}

const crashWorker: Blow = ({ random, workers }) => anyOf(random, workers())?.crash()
const crashProducer: Blow = ({ random, producers }) => anyOf(random, producers())?.crash()
/** In order, as at an upgrade; another takes its place. */
const stopWorker: Blow = ({ random, workers, broker }) => {
  const process = anyOf(random, workers())
  if (process === undefined) return
  broker.surroundings.trace(process.name, 'is told to stop')
  process.stop.abort()
}
const freeze: Blow = ({ random, workers, producers }) =>
  anyOf(random, [...workers(), ...workers(), ...producers()])?.freeze(random.between(500, 20_000))
const shiftClock: Blow = ({ random, workers, producers }) =>
  anyOf(random, [...workers(), ...producers()])?.shiftClock(random.int(20_000) - 10_000)

/** The coordinator hears nothing of a member that is well: from then on a partition has two owners. */
const evict: Blow = ({ random, broker }) => {
  const group = anyOf(random, [...broker.groups.values()])
  const member = anyOf(random, group?.members() ?? [])
  if (member !== undefined) group?.evict(member)
}

const replay: Blow = ({ broker }) => replayLetters(broker)

function outage(what: 'bus' | 'store' | 'disk'): Blow {
  return ({ broker, random }) => {
    const { time, faults, trace } = broker.surroundings
    faults.away.add(what)
    trace('nemesis', `${what} is away`)
    time.after(random.between(500, 9000), () => {
      if (faults.away.delete(what)) trace('nemesis', `${what} is back`)
    })
  }
}

const blows: Readonly<Record<string, Blow>> = {
  crashWorker,
  crashProducer,
  stopWorker,
  freeze,
  shiftClock,
  evict,
  replay,
  busAway: outage('bus'),
  storeAway: outage('store'),
  diskAway: outage('disk'),
}

const mostBlows = 14

/** Plans the blows of a run; only some kinds fall in one run, so that rare combinations are met. */
export function unleash(options: NemesisOptions): void {
  const { random, broker, durationMs } = options
  const { time, faults } = broker.surroundings
  const kinds = Object.values(blows).filter(() => random.chance(0.6))
  if (kinds.length === 0) return
  for (let count = random.int(mostBlows); count > 0; count--) {
    const blow = anyOf(random, kinds)
    time.after(random.between(0, durationMs), () => {
      if (!faults.isHealed()) blow?.(options)
    })
  }
}
