import type { ArchiveStore } from '@muniment/archive'
import type { SegmentEntry } from './catalogue.ts'

/** An object no larger than this costs less as a whole than as a footer and some columns, one after the other. */
const alwaysWholeBytes = 128 * 1024

/** With every column wanted, most of an object is read anyway. */
const wideWholeBytes = 1024 * 1024

/** A bundle of many small segments, when at least half of it is wanted. */
const bundleWholeBytes = 16 * 1024 * 1024

/** What is going to be read. */
export interface Wanted {
  readonly entries: readonly SegmentEntry[]
  /** Whether whole records are read, not only some columns of them. */
  readonly isWide: boolean
}

interface ObjectUse {
  readonly sizeBytes: number
  wantedBytes: number
  segments: number
  /** Segments of it that are still to be read. */
  left: number
  bytes: Promise<Buffer | undefined> | undefined
}

function nameOf({ key, version }: { readonly key: string; readonly version: string }): string {
  return `${key}@${version}`
}

function usesOf(entries: readonly SegmentEntry[]): Map<string, ObjectUse> {
  const uses = new Map<string, ObjectUse>()
  for (const { manifest, segment } of entries) {
    const object = manifest.manifest.objects[segment.object]
    if (object === undefined) continue
    const use = uses.get(nameOf(object)) ?? {
      sizeBytes: object.size_bytes,
      wantedBytes: 0,
      segments: 0,
      left: 0,
      bytes: undefined,
    }
    use.wantedBytes += segment.size_bytes
    use.segments += 1
    use.left += 1
    uses.set(nameOf(object), use)
  }
  return uses
}

function isWhole({ sizeBytes, wantedBytes, segments }: ObjectUse, isWide: boolean): boolean {
  if (sizeBytes <= (isWide ? wideWholeBytes : alwaysWholeBytes)) return true
  return segments > 1 && sizeBytes <= bundleWholeBytes && wantedBytes * 2 >= sizeBytes
}

/** A store for one query, and a way to say that a segment has been read. */
export interface QueryStore {
  readonly store: ArchiveStore
  readonly done: (entry: SegmentEntry) => void
}

/** Answers reads of ranges from whole objects where that saves requests; an object is kept until its last segment is read. */
export function wholeObjects(store: ArchiveStore, { entries, isWide }: Wanted): QueryStore {
  const uses = usesOf(entries)
  return {
    store: {
      ...store,
      async get(key, options = {}) {
        const { range, ...rest } = options
        const use = uses.get(nameOf({ key, version: options.version ?? '' }))
        if (use === undefined || range === undefined || !isWhole(use, isWide)) return store.get(key, options)
        use.bytes ??= store.get(key, rest)
        return (await use.bytes)?.subarray(range.start, range.end)
      },
    },
    done({ manifest, segment }) {
      const object = manifest.manifest.objects[segment.object]
      const use = object && uses.get(nameOf(object))
      if (use === undefined) return
      use.left -= 1
      if (use.left === 0) use.bytes = undefined
    },
  }
}
