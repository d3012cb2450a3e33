import { randomBytes } from 'node:crypto'
import { topic } from '@muniment/schema'
import type { CommittedManifest } from '../src/format/manifest.ts'
import { createMemoryStore, type MemoryStore } from '../src/store/memory.ts'
import type { Store } from '../src/store/store.ts'
import { createCutWriter } from '../src/writer.ts'
import { alert, event } from './events.ts'
import { createMemoryKeys, type MemoryKeys } from './memory-keys.ts'

export const now = (): number => Date.UTC(2026, 10, 21, 9)

export interface Small {
  readonly store: MemoryStore
  readonly keys: MemoryKeys
}

/** Where cuts go. */
export interface Place {
  readonly topic: string
  readonly partition?: number
  readonly previous?: CommittedManifest | undefined
}

/** Writes cuts of one partition, one after the other; resolves to the last manifest. */
export async function fill(
  small: { readonly store: Store; readonly keys: MemoryKeys },
  cuts: readonly (readonly Uint8Array[])[],
  place: Place,
): Promise<CommittedManifest | undefined> {
  const writer = createCutWriter({ ...small, now, randomBytes })
  const { topic: name, partition = 0 } = place
  let { previous } = place
  let offset = previous?.manifest.next_offset ?? 0
  for (const values of cuts) {
    const first = offset
    const records = values.map((value, at) => ({ offset: first + at, value, appendedMs: now() }))
    offset += values.length
    const result = await writer.write({ topic: name, partition, records, nextOffset: offset, previous })
    previous = result.manifest
  }
  return previous
}

/** Another archive of the same shape, under keys of its own. */
export async function anotherArchive(): Promise<Small> {
  const small = { store: createMemoryStore(), keys: createMemoryKeys() }
  const both = [event({ seq: 0 }), event({ seq: 1, tenant: 'other' })]
  const cuts = [both, [event({ seq: 2 })], [event({ seq: 3 }), event({ seq: 4 })]]
  await fill(small, cuts, { topic: topic.events })
  await fill(small, [[alert('one')]], { topic: topic.alerts })
  return small
}

let written: Promise<Small> | undefined

/** Three cuts of two tenants in a bundle or apart, one of alerts; written once, and a copy for everyone who asks. */
export async function smallArchive(): Promise<Small> {
  written ??= anotherArchive()
  const { store, keys } = await written
  const { objects, ...rest } = createMemoryStore()
  for (const [key, versions] of store.objects) objects.set(key, versions)
  return { store: { objects, ...rest }, keys: keys.copy() }
}

/** A store with the same objects that can be altered without touching the original. */
export function copyStore(original: MemoryStore): MemoryStore {
  const store = createMemoryStore()
  for (const [key, versions] of original.objects) store.objects.set(key, versions)
  return { ...store, checkpoint: original.checkpoint }
}

export function setBytes(store: MemoryStore, key: string, bytes: Buffer): void {
  store.objects.set(key, [{ version: '0', bytes }])
}

export function bytesOf(store: MemoryStore, key: string): Buffer {
  const bytes = store.objects.get(key)?.[0]?.bytes
  if (bytes === undefined) throw new Error(`no object ${key}`)
  return bytes
}

/** Whether nothing but the log could tell that the manifest is gone. */
export function isNewestManifest(store: MemoryStore, key: string): boolean {
  const folder = key.slice(0, key.lastIndexOf('/') + 1)
  const later = [...store.objects.keys()].filter(other => other.startsWith(folder) && other > key)
  return key.startsWith('manifest/') && later.length === 0
}
