import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createControlVerifier, createControlView, readDecision } from '@muniment/keys/control'
import type { Decision } from '@muniment/schema'
import type { Clock } from '../clock.ts'
import type { Arriving } from '../guard/guard.ts'
import type { Settings } from '../settings.ts'
import { problemOf } from '../problem.ts'
import { readControlKeys } from './keys.ts'
import { tellRefused } from './refused.ts'

/** The ingest key that was announced last, signed, with whatever it is turned into. */
export interface Announced<T> {
  /** Takes what is newer; what is older, forged or no announcement changes nothing. */
  readonly hear: (arriving: Arriving) => void
  readonly current: () => T | undefined
}

/** What an announcement is made of and kept for. */
export interface AnnouncedOptions<T> {
  readonly settings: Pick<Settings, 'home' | 'controlKey' | 'onProblem'>
  readonly clock: Pick<Clock, 'nowMs'>
  /** Throws where the key is none. */
  readonly parse: (publicKey: string) => T
}

interface State<T> extends AnnouncedOptions<T> {
  readonly file: string
  readonly view: ReturnType<typeof createControlView>
  taken: { readonly version: number; readonly value: T } | undefined
}

/** The announcement as it was signed, so that a process that starts while the bus is away does not seal to a key of the past. */
const fileName = 'ingest-key.json'
const ownerOnly = { file: 0o600, folder: 0o700 } as const

function isAnnouncement({ scope, value, tenant, action }: Decision): boolean {
  return scope === 'ingest_key' && value === '*' && tenant === undefined && action === 'rotate'
}

function readKept({ file, settings }: State<unknown>): Decision | undefined {
  try {
    const decision = readDecision(createControlVerifier(readControlKeys(settings)), readFileSync(file))
    return typeof decision === 'object' && isAnnouncement(decision) ? decision : undefined
  } catch {
    return undefined
  }
}

/** Other processes of the same home folder may know of a newer one already. */
function keep(state: State<unknown>, decision: Decision): void {
  const { file, settings } = state
  if ((readKept(state)?.version ?? -1) >= decision.version) return
  try {
    mkdirSync(settings.home, { recursive: true, mode: ownerOnly.folder })
    const whole = `${file}.${process.pid}`
    writeFileSync(whole, JSON.stringify(decision), { mode: ownerOnly.file })
    renameSync(whole, file)
  } catch (error) {
    settings.onProblem(problemOf(error, `The announced ingest key could not be kept in ${file}`))
  }
}

/** A version that was taken is never gone back on, also after its announcement has expired. */
function take<T>(state: State<T>, decision: Decision): boolean {
  const { public_key: key = '', version } = decision
  if (version <= (state.taken?.version ?? -1)) return false
  try {
    state.taken = { version, value: state.parse(key) }
    return true
  } catch (error) {
    state.settings.onProblem(problemOf(error, 'The announced ingest key cannot be used'))
    return false
  }
}

function hear<T>(state: State<T>, { decisions, refused }: Arriving): void {
  tellRefused(refused, state.settings.onProblem)
  for (const decision of decisions)
    if (isAnnouncement(decision) && state.view.apply(decision) === 'applied' && take(state, decision))
      keep(state, decision)
}

/** Begins with the announcement that an earlier process of this home folder took, if it is signed. */
export function createAnnounced<T>(options: AnnouncedOptions<T>): Announced<T> {
  const view = createControlView({ now: options.clock.nowMs })
  const file = join(options.settings.home, fileName)
  const state: State<T> = { ...options, file, view, taken: undefined }
  const kept = readKept(state)
  if (kept !== undefined) take(state, kept)
  return { hear: arriving => hear(state, arriving), current: () => state.taken?.value }
}
