import { mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@muniment/schema'
import type { SealedRecord } from '../batch.ts'
import { problem, problemOf, throttled, type OnProblem } from '../problem.ts'
import { ignoreMissing, listSegments, ownerFile } from './names.ts'
import { isAbandoned, readOwner } from './owner.ts'
import { createSegmentReader, type SegmentReader } from './reader.ts'
import { createWake, watchFolder, type Wake } from './wake.ts'

/** What to drain, and to where. */
export interface DrainOptions {
  /** Folder of all spools, usually `$MUNIMENT_HOME/spool`; created where it does not exist. */
  readonly dir: string
  /** Durable when it resolves; where it rejects the same records are given to it again. */
  readonly publish: (records: readonly SealedRecord[]) => Promise<void>
  readonly signal: AbortSignal
  /** `true`: returns once everything was published that lies there; default: goes on until the signal aborts. */
  readonly untilEmpty?: boolean
  /** `true`: only what processes left behind that are gone. */
  readonly onlyAbandoned?: boolean
  readonly onProblem?: OnProblem
}

interface Lane {
  readonly folder: string
  readonly reader: SegmentReader
  readonly unwatch: () => void
  /** Something may have been written since it was last read. */
  isDirty: boolean
  isAbandoned: boolean
}

interface State {
  readonly options: DrainOptions
  readonly onProblem: OnProblem
  readonly lanes: Map<string, Lane>
  readonly wake: Wake
}

interface Harvest {
  readonly lane: Lane
  readonly records: readonly SealedRecord[]
}

const bytesPerLane = 256 * 1024
const lanesPerRound = 16
const firstRetryMs = 100
const lastRetryMs = 5000
/** New folders are looked for this often where the file system does not tell. */
const lookMs = 250
/** All folders are read this often, whatever the file system tells. */
const lookEverywhereMs = 2000
/** A folder without an owner is left alone until its writer had time to name itself. */
const emptyFolderMs = 60_000

function openLane(state: State, folder: string): Lane {
  const lane: Lane = {
    folder,
    isDirty: true,
    isAbandoned: false,
    reader: createSegmentReader({
      folder,
      // A writer names itself before its first segment: who was not there when the folder was looked at may be now.
      isAbandoned: async () => lane.isAbandoned && (await isAbandoned(folder, await readOwner(folder))),
      onDamage: (file, lostBytes, records) =>
        state.onProblem(
          problem(
            'BATCH_MALFORMED',
            `The spool file ${file} is damaged: ${lostBytes} bytes and ${records} records are skipped.`,
            'The end of a file may be torn where its process was killed; the lane shows whether anything is missing.',
          ),
        ),
    }),
    unwatch: watchFolder(folder, () => {
      lane.isDirty = true
      state.wake.ring()
    }),
  }
  return lane
}

async function findLanes(state: State): Promise<void> {
  const { options, lanes } = state
  for (const name of await readdir(options.dir).catch(ignoreMissing)) {
    if (lanes.has(name)) continue
    const folder = join(options.dir, name)
    const isFolder = await stat(folder).then(
      found => found.isDirectory(),
      () => false,
    )
    if (isFolder) lanes.set(name, openLane(state, folder))
  }
}

async function ageMs(folder: string): Promise<number> {
  return await stat(folder).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => Infinity,
  )
}

/** Removes a folder that nobody will write to any more. */
async function tidy(lane: Lane, hasOwner: boolean): Promise<boolean> {
  if (!lane.isAbandoned || (await listSegments(lane.folder)).length > 0) return false
  if (!hasOwner && (await ageMs(lane.folder)) < emptyFolderMs) return false
  await rm(join(lane.folder, ownerFile), { force: true })
  await rmdir(lane.folder).catch(() => undefined)
  lane.unwatch()
  return true
}

/** Reads what a lane has; where that is nothing and never will be, the lane is forgotten. */
async function harvest(state: State, name: string, lane: Lane): Promise<Harvest | undefined> {
  try {
    lane.isDirty = false
    const owner = await readOwner(lane.folder)
    lane.isAbandoned = await isAbandoned(lane.folder, owner)
    if (state.options.onlyAbandoned === true && !lane.isAbandoned) return undefined
    const records = await lane.reader.read(bytesPerLane)
    if (records.length > 0) return { lane, records }
    if (await tidy(lane, owner !== undefined)) state.lanes.delete(name)
  } catch (error) {
    state.onProblem(problemOf(error, `The spool folder ${lane.folder} could not be read`))
  }
  return undefined
}

async function publish({ options, onProblem }: State, records: readonly SealedRecord[]): Promise<boolean> {
  let retryMs = firstRetryMs
  const retry = createWake()
  options.signal.addEventListener('abort', retry.ring)
  try {
    for (;;) {
      try {
        await options.publish(records)
        return true
      } catch (error) {
        onProblem(problemOf(error, 'The bus did not take a batch from the spool'))
      }
      if (options.signal.aborted) return false
      await retry.wait(retryMs)
      retryMs = Math.min(lastRetryMs, retryMs * 2)
    }
  } finally {
    options.signal.removeEventListener('abort', retry.ring)
  }
}

/** One round over the lanes that may have something; whether one had. */
async function round(state: State): Promise<boolean> {
  const found: Harvest[] = []
  for (const [name, lane] of Array.from(state.lanes)) {
    if (found.length === lanesPerRound) break
    if (!lane.isDirty) continue
    const one = await harvest(state, name, lane)
    if (one === undefined) continue
    found.push(one)
    // Last in line next time, so that a busy lane does not keep others waiting.
    state.lanes.delete(name)
    state.lanes.set(name, lane)
  }
  if (found.length === 0) return false
  const isPublished = await publish(
    state,
    found.flatMap(({ records }) => records),
  )
  for (const { lane } of found) {
    lane.isDirty = true
    if (isPublished) lane.reader.commit()
  }
  return true
}

async function loop(state: State): Promise<void> {
  const { options, wake, lanes } = state
  let lookedMs = performance.now()
  while (!options.signal.aborted) {
    await findLanes(state)
    if (await round(state)) continue
    if (options.untilEmpty === true) return
    await wake.wait(lookMs)
    if (performance.now() - lookedMs < lookEverywhereMs) continue
    lookedMs = performance.now()
    for (const lane of lanes.values()) lane.isDirty = true
  }
}

/**
 * Publishes the batches that interceptors left in their spool folders, each lane in its order and at least once, and deletes
 * what was published. Any number of processes may write meanwhile, be killed, or come back from a long suspension; several
 * drainers at once only publish more duplicates. Resolves when the signal aborts; rejects with `DISK_UNUSABLE` where the
 * folder cannot be made.
 */
export async function drainSpool(options: DrainOptions): Promise<void> {
  const { dir, signal, onProblem = () => undefined } = options
  const wake = createWake()
  const state: State = {
    options,
    wake,
    onProblem: throttled(onProblem, () => performance.now()),
    lanes: new Map(),
  }
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new AppError('DISK_UNUSABLE', `The spool folder ${dir} cannot be made.`, { cause })
  })
  const unwatch = watchFolder(dir, wake.ring)
  signal.addEventListener('abort', wake.ring)
  try {
    await loop(state)
  } finally {
    signal.removeEventListener('abort', wake.ring)
    unwatch()
    for (const lane of state.lanes.values()) lane.unwatch()
  }
}
