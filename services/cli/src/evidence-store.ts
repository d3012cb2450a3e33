import { createHash } from 'node:crypto'
import {
  checkWorm,
  longestRetentionDays,
  retentionSectionSchema,
  whyStoreIsUnsafe,
  type ArchiveStore,
  type RetentionClasses,
} from '@muniment/archive'
import { readSection, type Config, type Logger } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import type { StateStore } from '@muniment/state'
import { actEvent, openActs } from './acts.ts'
import { openStoreOf, s3ConfigOf } from './context.ts'

/** A store to write evidence to, and for how many days it keeps every object. */
export interface EvidenceStore {
  readonly store: ArchiveStore
  readonly retentionDays: number | undefined
  /** What is kept for another time than that. */
  readonly retentionClasses: RetentionClasses
  /** The longest of all these times. */
  readonly longestDays: number | undefined
}

/** What opening needs. */
export interface EvidenceContext {
  readonly config: Config
  readonly state: StateStore
  readonly log: Logger
}

type Bucket = NonNullable<ReturnType<typeof s3ConfigOf>>

/** A store that passed is attacked again after so long: each attack leaves objects that are locked for seconds. */
const passedForMs = 86_400_000

function placeOf({ bucket, prefix = '' }: Bucket): string {
  const name = createHash('sha256').update(`${bucket}\n${prefix}`).digest('hex').slice(0, 32)
  return `store-checks/${name}`
}

function passedMs(value: Uint8Array): number {
  const passed = Number(Buffer.from(value).toString())
  // A time to come was not written by a check.
  return passed <= Date.now() ? passed : -Infinity
}

/** Attacks the bucket, unless it stood that lately; why it would not keep evidence, `undefined` where it would. */
async function whyTrialFails({ state, log }: EvidenceContext, bucket: Bucket): Promise<string | undefined> {
  const place = placeOf(bucket)
  const entry = await state.get(place)
  if (entry !== undefined && Date.now() - passedMs(entry.value) < passedForMs) return undefined
  const { findings, cleanUp } = await checkWorm(bucket)
  cleanUp().catch((error: unknown) => log.warn('store.check_left', { error }))
  const failed = findings.filter(({ isFine, isMust }) => isMust && !isFine)
  if (failed.length > 0)
    return `The bucket ${bucket.bucket} fails what evidence depends on: ${failed.map(({ id, promise }) => `${promise} (${id})`).join(', ')}.`
  await state.put(place, Buffer.from(String(Date.now())), entry?.version)
  return undefined
}

/** That somebody archives where nothing is safe is itself part of the record; where it cannot be recorded, it is not done. */
async function recordRisk({ config, log }: EvidenceContext, reason: string): Promise<void> {
  log.warn('store.unsafe', { reason })
  await using acts = await openActs(config)
  await acts.record(actEvent({ name: 'store.unsafe', details: { reason } }))
}

/**
 * Opens the store for those who write evidence. Throws `STORE_UNSAFE` where it would not keep objects, which is tried by attacking it, unless the
 * configuration takes the risk; then nothing is locked, and every start says so in the log and in the record of administrative acts.
 */
export async function openEvidenceStoreOf(context: EvidenceContext): Promise<EvidenceStore> {
  const { config } = context
  const section = config.sections.retention_classes
  const retentionClasses = section === undefined ? [] : readSection(section, retentionSectionSchema)
  const store = await openStoreOf(config)
  const open = (retentionDays: number | undefined): EvidenceStore => {
    if (retentionDays === undefined && retentionClasses.length > 0)
      context.log.warn('store.retention_ignored', { reason: 'this store locks nothing' })
    const longestDays = longestRetentionDays({ retentionClasses, ...(retentionDays && { retentionDays }) })
    return { store, retentionDays, retentionClasses, longestDays }
  }
  const bucket = s3ConfigOf(config)
  if (bucket === undefined) return open(undefined)
  const why = (await whyStoreIsUnsafe({ ...bucket })) ?? (await whyTrialFails(context, bucket))
  if (why === undefined) return open(config.retention.days)
  if (!config.isUnsafeStoreAllowed)
    throw new AppError('STORE_UNSAFE', why, {
      hint: 'Use a bucket that was created with Object Lock (`muniment doctor --worm` tries one), or take the risk with MUNIMENT_STORE_UNSAFE=true.',
    })
  await recordRisk(context, why)
  return open(undefined)
}
