import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { randomBytes } from 'node:crypto'
import {
  initSecrets,
  openKeys,
  openSecrets,
  sealSnapshot,
  signDecision,
  type DecisionDraft,
  type Keys,
} from '@muniment/keys'
import {
  batchAad,
  decisionKey,
  decodeFrames,
  observationSchema,
  parseBatchHeaders,
  type BatchHeaders,
  type Decision,
  type Observation,
} from '@muniment/schema'
import type { SealedRecord } from '../src/batch.ts'
import { drainSpool } from '../src/spool/drain.ts'
import { decodeRecords } from '../src/spool/segment.ts'

/** Environment of the programs that tests start: what Node compiled once is kept, which halves their start. */
export const programEnv = { NODE_COMPILE_CACHE: join(tmpdir(), 'muniment-compile-cache') }

/** One observation as the masker would see it. */
export interface Seen {
  readonly observation: Observation
  readonly request: Buffer | undefined
  readonly response: Buffer | undefined
  readonly lane: string
}

/** A home folder with an ingest key, and the private half to look into what was recorded there. */
export interface Lab extends AsyncDisposable {
  readonly home: string
  readonly ingestKey: string
  /** Everything that lies in the spools, removed from there, as consumers keep it. */
  readonly collect: () => Promise<Seen[]>
  readonly keys: Keys
  /** Puts decisions in force, as `muniment block` does. */
  readonly decide: (...drafts: readonly DecisionDraft[]) => Promise<readonly Decision[]>
  readonly open: (records: readonly SealedRecord[]) => Promise<Seen[]>
}

const nothing = {
  get: async () => undefined,
  put: async () => undefined,
  delete: async () => undefined,
  async *list() {},
  [Symbol.asyncDispose]: async () => undefined,
}

function decompress({ encoding }: BatchHeaders, bytes: Uint8Array): Uint8Array {
  return encoding === 'zstd' ? zstdDecompressSync(bytes) : gunzipSync(bytes)
}

function asBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes)
}

async function openRecords(keys: Keys, records: readonly SealedRecord[]): Promise<Seen[]> {
  const seen: Seen[] = []
  let parts: Uint8Array[] = []
  for (const { key, headers, value } of records) {
    const batch = parseBatchHeaders(key, headers)
    if (batch.part === 1) parts = []
    parts.push(await keys.unseal(batch.kid, value, batchAad(batch)))
    if (batch.part < batch.parts) continue
    for (const frame of decodeFrames(decompress(batch, Buffer.concat(parts)))) {
      const observation = observationSchema.parse(JSON.parse(Buffer.from(frame.envelope).toString()))
      const [request, response] = [asBuffer(frame.request), asBuffer(frame.response)]
      seen.push({ observation, request, response, lane: batch.lane })
    }
  }
  return seen
}

/**
 * What consumers keep: the numbers of each lane must be 0, 1, 2 … with gaps only where a gap event stands; what repeats a
 * number that was there before is dropped.
 */
export function watermarked(seen: readonly Seen[]): Seen[] {
  const next = new Map<string, number>()
  return seen.filter(({ observation, lane }) => {
    const { source, gap, lane: mark } = observation
    const expected = next.get(lane) ?? 0
    if (source.seq < expected) return mark?.state === 'alive'
    const from = gap?.from_seq ?? source.seq
    if (from > expected) throw new Error(`Lane ${lane} has ${from} where ${expected} is due.`)
    next.set(lane, source.seq + 1)
    return true
  })
}

export async function drained(dir: string): Promise<SealedRecord[]> {
  const records: SealedRecord[] = []
  const { signal } = new AbortController()
  const publish = async (some: readonly SealedRecord[]): Promise<void> => void records.push(...some)
  await drainSpool({ dir, publish, signal, untilEmpty: true })
  return records
}

/** Replaces the snapshot of a home folder at once, as writers do. */
export async function writeSnapshot(home: string, text: string): Promise<void> {
  await writeFile(join(home, 'control.json.new'), text)
  await rename(join(home, 'control.json.new'), join(home, 'control.json'))
}

function decider(home: string, keys: Keys): Lab['decide'] {
  const decisions = new Map<string, Decision>()
  let takenMs = Date.now()
  return async (...drafts) => {
    const signer = await keys.controlSigner()
    for (const draft of drafts) {
      const key = decisionKey(draft)
      decisions.set(key, signDecision(draft, { signer, nowMs: Date.now(), previous: decisions.get(key) }))
    }
    const snapshot = { takenMs: takenMs++, decisions: [...decisions.values()] }
    await writeSnapshot(home, sealSnapshot(signer, snapshot))
    return snapshot.decisions
  }
}

export async function openLab(): Promise<Lab> {
  const home = await mkdtemp(join(tmpdir(), 'muniment-interceptor-'))
  const secrets = await openSecrets({ kind: 'memory' })
  const source = { now: Date.now, randomBytes: (size: number) => randomBytes(size) }
  await initSecrets(secrets, source)
  const keys = openKeys({ secrets, state: nothing, cacheTtlMs: 60_000, ...source })
  const ingestKey = await keys.ingestPublicKey()
  await writeFile(join(home, 'ingest.pub'), `${ingestKey}\n`)
  await writeFile(join(home, 'control.pub'), `${(await keys.controlPublicKeys()).join('\n')}\n`)
  return {
    home,
    ingestKey,
    keys,
    decide: decider(home, keys),
    open: records => openRecords(keys, records),
    collect: async () => watermarked(await openRecords(keys, await drained(join(home, 'spool')))),
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true, maxRetries: 10 }),
  }
}

/** Names of the files below a folder; none where it is not there. */
export async function filesIn(folder: string): Promise<string[]> {
  return await readdir(folder, { recursive: true }).catch(() => [])
}

/** The records of a folder's segments; nothing where one was closed, sent or removed while they were read. */
async function segmentsIn(dir: string): Promise<SealedRecord[] | undefined> {
  const files = (await filesIn(dir)).filter(name => /\.(?:seg|open)$/u.test(name)).toSorted()
  const read = files.map(async file => decodeRecords(await readFile(join(dir, file))).records)
  return await Promise.all(read).then(
    records => records.flat(),
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    },
  )
}

/** What lies in the spools of a home folder, left there. */
export async function lyingIn({ home, open }: Pick<Lab, 'home' | 'open'>): Promise<Seen[]> {
  for (;;) {
    const records = await segmentsIn(join(home, 'spool'))
    if (records !== undefined) return await open(records)
  }
}

/** The short story of an observation: enough to compare how conversations were recorded. */
export function story({ observation }: Seen): string {
  const { kind, outcome, direction, method, target, lane, error } = observation
  return [
    kind,
    lane?.state,
    direction === 'server_to_client' ? 'to client' : undefined,
    method,
    target,
    outcome,
    error?.type,
  ]
    .filter(part => part !== undefined)
    .join(' ')
}
