/** A range of one partition, `next_offset` excluded. */
export interface CutPosition {
  readonly topic: string
  readonly partition: number
  readonly first_offset: number
  readonly next_offset: number
}

/** Entries of the log, `next` excluded; without it, all from `first` on. */
export interface EntryRange {
  readonly first: number
  readonly next?: number
}

/** What can be wrong, or worth knowing; stable for programs. */
export type FindingCode =
  | 'manifest.malformed'
  | 'manifest.misplaced'
  | 'manifest.missing'
  | 'manifest.chain'
  | 'manifest.counts'
  | 'object.missing'
  | 'object.altered'
  | 'object.layout'
  | 'object.duplicate'
  | 'object.foreign'
  | 'object.hidden'
  | 'object.shadowed'
  | 'lock.absent'
  | 'lock.ended'
  | 'lock.short'
  | 'lock.governance'
  | 'lock.unknown'
  | 'object.orphan'
  | 'store.copied'
  | 'object.expired'
  | 'segment.altered'
  | 'segment.index'
  | 'segment.unreadable'
  | 'segment.erased'
  | 'segment.closed'
  | 'segment.locked-out'
  | 'tree.altered'
  | 'rows.count'
  | 'row.altered'
  | 'row.tenant'
  | 'lane.duplicate'
  | 'lane.claim'
  | 'lane.missing'
  | 'lane.declared'
  | 'lane.open'
  | 'log.absent'
  | 'log.key'
  | 'log.checkpoint'
  | 'log.entries'
  | 'log.tile'
  | 'log.manifest'
  | 'log.order'
  | 'log.fork'
  | 'log.unanchored'
  | 'log.cosigned'
  | 'log.unwitnessed'
  | 'clock.backdated'
  | 'clock.ahead'
  | 'clock.skew'

/** One thing found: where, and why it matters. */
export interface Finding {
  readonly code: FindingCode
  /** Key of the object concerned. */
  readonly object: string
  /** The part of the archive concerned, where it is known. */
  readonly range?: CutPosition
  /** Entries of the log concerned, of what is found about the log. */
  readonly entries?: EntryRange
  readonly reason: string
}

/** What of a tenant is covered by a partition's manifests. */
export interface TenantCoverage {
  readonly tenant: string
  readonly records: number
  readonly min_ms: number | undefined
  readonly max_ms: number | undefined
}

/** What of a partition was checked. */
export interface Coverage {
  readonly topic: string
  readonly partition: number
  readonly first_offset: number
  readonly next_offset: number
  readonly tenants: readonly TenantCoverage[]
}

/** Which part of the log its witnesses have seen. */
export interface Witnessed {
  /** Entries below the newest checkpoint that has all cosignatures which the policy asks for. */
  readonly treeSize: number
  /** The newest checkpoint that each witness cosigned, and when, in seconds since the epoch. */
  readonly by: readonly { readonly name: string; readonly treeSize: number; readonly time: number }[]
}

/** How far the log's checkpoint reaches. */
export interface Anchor {
  readonly origin: string
  readonly treeSize: number
  /** RFC 6962 root, hex. */
  readonly root: string
  /** Whether the signature was checked with a key that the caller trusts. */
  readonly isSignatureChecked: boolean
  /** First offset of each partition that the checkpoint does not cover. */
  readonly until: readonly {
    readonly topic: string
    readonly partition: number
    readonly next_offset: number
  }[]
  /** `undefined` where no policy was given. */
  readonly witnessed: Witnessed | undefined
}

/** The lock of one version, as the store tells it. */
export interface LockedObject {
  readonly object: string
  readonly version: string
  readonly mode: 'COMPLIANCE' | 'GOVERNANCE' | 'none'
  readonly until_ms: number | undefined
}

/** What verification found. */
export interface VerifyReport {
  /** No problem was found in what was checked. */
  readonly ok: boolean
  readonly problems: readonly Finding[]
  /** What a careful reader should know, none of it a sign of tampering. */
  readonly notes: readonly Finding[]
  readonly covered: readonly Coverage[]
  readonly anchored: Anchor | undefined
  /** Every object of the archive and its lock; only where it was asked for. */
  readonly locks?: readonly LockedObject[]
  readonly checked: {
    readonly manifests: number
    readonly objects: number
    readonly bytes: number
    readonly records: number
    /** Manifests whose objects were not read again, because an earlier run had read them. */
    readonly remembered: number
    /** Whether records were decrypted and compared with their leaf hashes, wherever a key was held. */
    readonly hasContents: boolean
    /** Segments of which that was done. */
    readonly opened: number
  }
}

/** Collects findings. */
export interface Findings {
  readonly problems: Finding[]
  readonly notes: Finding[]
}

/** An empty collection. */
export function noFindings(): Findings {
  return { problems: [], notes: [] }
}
