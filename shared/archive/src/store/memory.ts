import { createHash } from 'node:crypto'
import type { CheckpointStore } from './checkpoint-store.ts'
import type { ArchiveStore, GetOptions, ListOptions, NewObject, ObjectInfo, PutResult } from './store.ts'

interface Version {
  readonly version: string
  readonly bytes: Buffer
}

/** A store in memory and the objects in it, for tests that alter them. */
export interface MemoryStore extends ArchiveStore {
  /** Key → versions, oldest first. */
  readonly objects: Map<string, readonly Version[]>
}

function shortHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 12)
}

function memoryCheckpoint(): CheckpointStore {
  let current: { bytes: Buffer; tag: string } | undefined
  return {
    read: () => Promise.resolve(current),
    replace(bytes, tag) {
      if (current?.tag !== tag) return Promise.resolve(false)
      current = { bytes: Buffer.from(bytes), tag: shortHash(bytes) }
      return Promise.resolve(true)
    },
  }
}

function infoOf(key: string, found: Version): ObjectInfo {
  return { key, version: found.version, sizeBytes: found.bytes.length, isDeleteMarker: false }
}

/** A store that lives as long as the process; keeps every promise of the port except surviving it. */
export function createMemoryStore(): MemoryStore {
  const objects = new Map<string, readonly Version[]>()
  const find = (key: string, version?: string): Version | undefined => {
    const versions = objects.get(key) ?? []
    return version === undefined ? versions[0] : versions.find(candidate => candidate.version === version)
  }
  return {
    objects,
    checkpoint: memoryCheckpoint(),
    put({ key, bytes, ifTaken }: NewObject): Promise<PutResult> {
      const versions = objects.get(key) ?? []
      const same = versions.find(candidate => candidate.bytes.equals(bytes))
      if (same !== undefined && (ifTaken === 'beside' || same === versions[0])) {
        return Promise.resolve({ kind: 'stored', version: same.version })
      }
      if (versions.length > 0 && ifTaken === 'refuse') return Promise.resolve({ kind: 'taken' })
      const version = versions.length === 0 ? '0' : shortHash(bytes)
      objects.set(key, [...versions, { version, bytes: Buffer.from(bytes) }])
      return Promise.resolve({ kind: 'stored', version })
    },
    get(key: string, options: GetOptions = {}) {
      const { range, version } = options
      const bytes = find(key, version)?.bytes
      return Promise.resolve(range === undefined ? bytes : bytes?.subarray(range.start, range.end))
    },
    head(key: string, version?: string) {
      const found = find(key, version)
      return Promise.resolve(found && infoOf(key, found))
    },
    async *list(prefix: string, options: ListOptions = {}) {
      const { after = '' } = options
      const keys = [...objects.keys()].filter(key => key.startsWith(prefix) && key > after)
      for (const key of keys.toSorted()) {
        for (const version of objects.get(key) ?? []) yield infoOf(key, version)
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
