import type { Batch, ConsumeOptions, Consumer, Position, TopicPartition } from '@muniment/bus'
import { unreachable, type Broker } from './broker.ts'
import { commit, committed, placeName, type Group } from './group.ts'
import type { Process } from './process.ts'

/** A consumer as its coordinator knows it. */
export interface Member {
  readonly name: string
  readonly process: Process
  readonly topics: readonly string[]
  /** Finishes the work in hand and gives everything back. Never resolves for the dead. */
  readonly release: () => Promise<void>
  readonly occupy: (places: readonly TopicPartition[]) => void
  /** Where it will read next in a partition it holds and has nothing in hand of. */
  readonly position: (place: TopicPartition) => number | undefined
  /** Others get its partitions; it will find out. */
  readonly onEvicted: () => void
}

interface Slot {
  readonly place: TopicPartition
  offset: number
  sought: number | undefined
  isBusy: boolean
  isPaused: boolean
}

/** What was held between one assignment and the next. */
interface Session {
  readonly slots: readonly Slot[]
  readonly lost: AbortController
  readonly inHand: Set<Promise<void>>
  isClosing: boolean
}

interface State {
  readonly broker: Broker
  readonly group: Group
  readonly process: Process
  readonly options: ConsumeOptions
  readonly fail: (error: unknown) => void
  session: Session | undefined
  /** Assignments and releases, one after another. */
  changes: Promise<void>
  isEvicted: boolean
  hasEnded: boolean
}

const maxInHand = 4
const fetchMs = 20
const heartbeatMs = 300
const blindMs = 8000

function take(state: State, slot: Slot): Batch | undefined {
  const { random } = state.broker.surroundings
  // A seek holds from the next batch on, also for one that is being fetched.
  slot.offset = slot.sought ?? slot.offset
  slot.sought = undefined
  const log = state.broker.logs.get(slot.place.topic)?.[slot.place.partition] ?? []
  const start = slot.offset > log.length ? 0 : slot.offset
  const most = random.chance(0.3) ? 1 + random.int(4) : (state.options.maxBatchRecords ?? 2000)
  const records = log.slice(start, start + most)
  if (records.length === 0) return undefined
  return { ...slot.place, records, nextOffset: start + records.length, highWatermark: log.length }
}

async function work(state: State, session: Session, slot: Slot): Promise<void> {
  const batch = take(state, slot)
  if (batch !== undefined) {
    const { trace } = state.broker.surroundings
    const [first] = batch.records
    const place = `${placeName(batch)} @${first?.offset}-${batch.nextOffset - 1}`
    trace(state.process.name, `reads ${place}${state.isEvicted ? ' though it has lost it' : ''}`)
    try {
      await state.options.onBatch(batch, session.lost.signal)
    } catch (error) {
      if (!session.lost.signal.aborted) state.fail(error)
      return
    }
  }
  slot.offset = slot.sought ?? batch?.nextOffset ?? slot.offset
  slot.sought = undefined
  slot.isBusy = false
}

function hand(state: State, session: Session, slot: Slot): void {
  const { faults } = state.broker.surroundings
  if (session.isClosing) {
    slot.isBusy = false
    return
  }
  if (faults.away.has('bus')) {
    state.process.after(500, () => hand(state, session, slot))
    return
  }
  const working = work(state, session, slot).finally(() => {
    session.inHand.delete(working)
    pump(state)
  })
  session.inHand.add(working)
}

function isReady({ broker }: State, { place, offset, isBusy, isPaused }: Slot): boolean {
  const log = broker.logs.get(place.topic)?.[place.partition] ?? []
  return !isBusy && !isPaused && offset < log.length
}

function pump(state: State): void {
  const { session, broker, process } = state
  if (session === undefined || session.isClosing || !process.isAlive()) return
  for (const slot of session.slots) {
    const busy = session.slots.filter(each => each.isBusy).length
    if (busy >= maxInHand || !isReady(state, slot)) continue
    slot.isBusy = true
    process.after(broker.surroundings.random.between(1, fetchMs), () => hand(state, session, slot))
  }
}

async function occupy(state: State, places: readonly TopicPartition[]): Promise<void> {
  const { process, options, broker } = state
  await process.pause(broker.surroundings.random.between(1, heartbeatMs))
  if (state.hasEnded || state.isEvicted) return
  const slots = places.map((place): Slot => ({
    place,
    offset: 0,
    sought: undefined,
    isBusy: true,
    isPaused: false,
  }))
  const session: Session = { slots, lost: new AbortController(), inHand: new Set(), isClosing: false }
  state.session = session
  if (places.length === 0) return
  try {
    begin(state, slots, (await options.onAssign?.(places)) ?? [])
  } catch (error) {
    state.fail(error)
  }
}

function begin(state: State, slots: readonly Slot[], wanted: readonly Position[]): void {
  for (const slot of slots) {
    const position = wanted.find(each => placeName(each) === placeName(slot.place))
    const first = position?.offset ?? committed(state.group, slot.place) ?? 0
    Object.assign(slot, { offset: slot.sought ?? first, sought: undefined, isBusy: false })
  }
  pump(state)
}

async function release(state: State): Promise<void> {
  const { session, process, options, broker } = state
  await process.pause(broker.surroundings.random.between(1, heartbeatMs))
  if (session === undefined) return
  session.isClosing = true
  session.lost.abort()
  await Promise.all(session.inHand)
  state.session = undefined
  if (session.slots.length === 0) return
  try {
    await options.onRevoke?.(session.slots.map(({ place }) => place))
  } catch (error) {
    state.fail(error)
  }
}

/** The member hears that it was taken for dead: what it holds is lost, without a farewell. It joins anew. */
async function onLost(state: State, member: Member): Promise<void> {
  const { session } = state
  if (session !== undefined) {
    session.isClosing = true
    session.lost.abort()
    await Promise.all(session.inHand)
    state.session = undefined
  }
  state.isEvicted = false
  if (state.hasEnded) return
  state.group.join(member)
}

async function commitFor(state: State, positions: readonly Position[]): Promise<void> {
  const { process, group, broker } = state
  const { random, faults, trace } = broker.surroundings
  await process.pause(random.between(1, 10))
  const fails = faults.away.has('bus') || faults.happens('commitFails')
  const isApplied = (!fails && !state.isEvicted) || (!faults.away.has('bus') && random.chance(0.5))
  if (isApplied) {
    commit(group, positions)
    const places = positions.map(position => `${placeName(position)} @${position.offset}`)
    trace(process.name, `commits ${places.join(' ')}${state.isEvicted ? ' though it has lost it' : ''}`)
  }
  await process.pause(random.between(1, 10))
  if (fails) throw unreachable('bus')
}

function slotOf(state: State, place: TopicPartition): Slot | undefined {
  return state.session?.slots.find(slot => placeName(slot.place) === placeName(place))
}

function seek(state: State, position: Position): void {
  const slot = slotOf(state, position)
  if (slot === undefined) return
  if (slot.isBusy) slot.sought = position.offset
  else slot.offset = position.offset
  pump(state)
}

function setPaused(state: State, places: readonly TopicPartition[], isPaused: boolean): void {
  for (const place of places) {
    const slot = slotOf(state, place)
    if (slot !== undefined) slot.isPaused = isPaused
  }
  pump(state)
}

function memberOf(state: State): Member {
  const { process, options, broker } = state
  const change = (run: () => Promise<void>): Promise<void> => {
    const before = state.changes
    state.changes = before.then(run)
    return state.changes
  }
  const member: Member = {
    name: process.name,
    process,
    topics: options.topics,
    release: () => change(() => release(state)),
    occupy: places => void change(() => occupy(state, places)),
    position: place => {
      const slot = slotOf(state, place)
      return slot === undefined || slot.isBusy ? undefined : slot.offset
    },
    onEvicted: () => {
      state.isEvicted = true
      const afterMs = broker.surroundings.random.between(1, blindMs)
      process.after(afterMs, () => void change(() => onLost(state, member)))
    },
  }
  return member
}

/** Joins a group and consumes until the signal aborts. */
export function consume(broker: Broker, process: Process, options: ConsumeOptions): Consumer {
  const group = broker.group(options.group)
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  const state: State = {
    broker,
    group,
    process,
    options,
    fail: failed.reject,
    session: undefined,
    changes: Promise.resolve(),
    isEvicted: false,
    hasEnded: false,
  }
  const member = memberOf(state)
  const onAppend = (): void => pump(state)
  broker.listeners.add(onAppend)
  process.onCrash(() => broker.listeners.delete(onAppend))

  async function run(): Promise<void> {
    await process.pause(5)
    group.join(member)
    const end = new Promise<void>(resolve => {
      if (options.signal.aborted) resolve()
      else options.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    try {
      await Promise.race([failed.promise, end])
    } finally {
      state.hasEnded = true
      await member.release()
      group.leave(member)
      broker.listeners.delete(onAppend)
    }
    await Promise.race([failed.promise, end])
  }

  const done = run()
  done.catch(() => undefined)
  return {
    done,
    commit: positions => commitFor(state, positions),
    seek: position => seek(state, position),
    pause: places => setPaused(state, places, true),
    resume: places => setPaused(state, places, false),
  }
}
