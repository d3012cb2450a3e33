import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import { AppError, isAppError } from '@muniment/schema'
import { z } from 'zod'
import { isSignedBy, parseCheckpoint } from '../format/checkpoint.ts'
import { parseEntry } from '../format/entry.ts'
import { manifestKey } from '../format/paths.ts'
import type { Trust } from '../format/policy.ts'
import { readPublished } from '../log-state.ts'
import type { Store } from '../store/store.ts'

/** What an earlier verification read and found right, so that another need not read it again. */
export interface VerifyMemory {
  /** The log's checkpoint when that began. Only what it covers counts. */
  readonly checkpoint: string
  /** Whether records were decrypted and compared with their hashes. */
  readonly hasContents: boolean
  /** Manifest key → SHA-256 of its bytes, hex. */
  readonly checked: ReadonlyMap<string, string>
}

const memorySchema = z.strictObject({
  v: z.literal(1),
  checkpoint: z.string().max(65_536),
  has_contents: z.boolean(),
  checked: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/u)),
})

const macBytes = 32
const maxMemoryBytes = 256 * 1024 * 1024

function macOf(body: Uint8Array, key: KeyObject): Buffer {
  return createHmac('sha256', key).update('muniment/verify-memory/v1\n').update(body).digest()
}

/** The memory as a file that only who holds `key` can write. */
export function formatMemory(memory: VerifyMemory, key: KeyObject): Buffer {
  const { checkpoint, hasContents, checked } = memory
  const value = { v: 1, checkpoint, has_contents: hasContents, checked: Object.fromEntries(checked) }
  const body = Buffer.from(JSON.stringify(value))
  return Buffer.concat([macOf(body, key), body])
}

function refused(why: string): AppError {
  return new AppError('INVALID_INPUT', `What an earlier verification left to resume from ${why}.`, {
    hint: 'Remove that file to verify from the beginning.',
  })
}

/** Reads such a file. Throws `INVALID_INPUT` where it was not written with `key`: what it says would be anybody's word. */
export function parseMemory(bytes: Buffer, key: KeyObject): VerifyMemory {
  if (bytes.length > maxMemoryBytes) throw refused('is too large')
  const [mac, body] = [bytes.subarray(0, macBytes), bytes.subarray(macBytes)]
  if (mac.length !== macBytes || !timingSafeEqual(mac, macOf(body, key)))
    throw refused('was altered, or was not made here')
  const { checkpoint, has_contents: hasContents, checked } = memorySchema.parse(JSON.parse(body.toString()))
  return { checkpoint, hasContents, checked: new Map(Object.entries(checked)) }
}

/** The digests below the memory's checkpoint, where the log still has them. */
async function anchoredDigests(
  store: Store,
  memory: VerifyMemory,
  trust: Trust,
): Promise<Map<string, string>> {
  const anchored = new Map<string, string>()
  const checkpoint = parseCheckpoint(Buffer.from(memory.checkpoint))
  const keys = [...trust.verifiers, ...(trust.policy?.logs ?? [])]
  if (checkpoint === undefined || (keys.length > 0 && !isSignedBy(checkpoint, keys))) return anchored
  const { entries } = await readPublished(store, checkpoint)
  for (const entry of entries.map(parseEntry)) {
    if (entry !== undefined)
      anchored.set(manifestKey(entry.topic, entry.partition, entry.firstOffset), entry.sha256)
  }
  return anchored
}

/**
 * What of a memory may be relied on: manifests that its checkpoint covers, with the digests that the log has for them. Nothing where the log does
 * not lead to that checkpoint any more; then everything is read, and the checkpoint is compared with the log as a remembered one.
 */
export async function usableMemory(
  store: Store,
  memory: VerifyMemory | undefined,
  { trust, wantsContents }: { readonly trust: Trust; readonly wantsContents: boolean },
): Promise<ReadonlyMap<string, string>> {
  if (memory === undefined || (wantsContents && !memory.hasContents)) return new Map()
  try {
    const anchored = await anchoredDigests(store, memory, trust)
    return new Map([...memory.checked].filter(([key, digest]) => anchored.get(key) === digest))
  } catch (error) {
    if (isAppError(error, 'ARCHIVE_DAMAGED')) return new Map()
    throw error
  }
}
