import type { Archive, ArchiveStore } from '@muniment/archive'
import type { Bus } from '@muniment/bus'
import type { Keys } from '@muniment/keys'
import type { Column, Output, Value } from '../sandbox/protocol.ts'
import type { ProcessPool } from '../sandbox/processes.ts'
import type { Catalogue } from './catalogue.ts'
import type { Filters } from './request.ts'

/** What a query engine is made of. */
export interface QueryEngineOptions {
  readonly store: ArchiveStore
  readonly keys: Pick<Keys['segmentKeys'], 'openDataKey'>
  /** File of the catalogue: a cache, rebuilt where it is missing. */
  readonly cachePath: string
  /** Where records are that are not archived yet; without it queries see the archive alone. */
  readonly bus?: Bus | undefined
  readonly limits?: Partial<QueryLimits>
  /** Told of every read before anything of it is given out; where it rejects, nothing is. */
  readonly onRead?: (read: ReadFacts) => Promise<void>
  /** Keeps a process (about 80 MB) waiting, so that answers come 0.1 to 0.2 s sooner. For those who are asked again and again. */
  readonly keepsSpareProcess?: boolean
}

/** Who reads, as verified. */
export interface Reader {
  readonly id: string
  readonly client_id?: string
  readonly issuer?: string
  readonly scopes?: readonly string[]
  readonly method: string
}

/** What somebody reads; `by` is left out where it is whoever runs this process. */
export type ReadFacts = { readonly by?: Reader } & (
  | {
      readonly kind: 'query'
      readonly question: Pick<QueryRequest, 'sql' | 'filters'>
      /** All where left out. */
      readonly tenants?: readonly string[]
    }
  | { readonly kind: 'show'; readonly id: string; readonly tenants?: readonly string[] }
)

/** Bounds of one query. */
export interface QueryLimits {
  readonly maxRows: number
  readonly timeoutMs: number
  /** Of the process that runs the SQL. */
  readonly memoryMb: number
  readonly threads: number
  /** Decrypted bytes handed to that process. */
  readonly maxInputBytes: number
  readonly maxOutputBytes: number
  /** Bytes read from the bus for what is not archived yet. */
  readonly maxTailBytes: number
}

/** A question: SQL over the views `events`, `alerts`, `audit` and `control`, or filters. */
export interface QueryRequest {
  readonly sql?: string
  readonly filters?: Filters
  /** The tenants whose rows may be seen; all where left out. */
  readonly tenants?: readonly string[]
  /** Most rows; for filters also how many of the newest. */
  readonly limit?: number
  /** `false`: only what is archived. */
  readonly tail?: boolean
  readonly timeoutMs?: number
  /** `parquet`: one file, in pieces of base64 text in the one column `parquet`. */
  readonly output?: Output
  /** For the record of reads. */
  readonly by?: Reader
  readonly signal?: AbortSignal
}

/** What answering took. */
export interface QueryFigures {
  readonly rows: number
  /** Whether a limit cut the rows. */
  readonly isTruncated: boolean
  /** Segments in the archive, those fetched, those that their filters spared, and those of tenants whose key was destroyed. */
  readonly segments: number
  readonly segmentsFetched: number
  readonly segmentsSpared: number
  readonly segmentsErased: number
  /** Reads of the store, and bytes they returned. */
  readonly requests: number
  readonly bytes: number
  /** Rows that are on the bus only, and whether that was all of them. */
  readonly tailRows: number
  readonly isTailComplete: boolean
  readonly elapsedMs: number
}

/** An answer as it comes; it holds a process until its rows are read or it is disposed. */
export interface QueryResult extends AsyncDisposable {
  readonly columns: readonly Column[]
  readonly rows: AsyncIterable<readonly Value[]>
  /** Complete when the rows have ended. */
  readonly figures: () => QueryFigures
}

/** Where a record stands in the archive: enough to check it by hand. */
export interface Evidence {
  readonly manifest: { readonly key: string; readonly version: string; readonly sha256: string }
  readonly object: { readonly key: string; readonly version: string; readonly sha256: string }
  /** Bytes of the object that are the segment. */
  readonly start: number
  readonly sizeBytes: number
  readonly row: number
  readonly rows: number
  /** SHA-256(0x00 ‖ record), hex: the record's leaf in the segment's tree, and the tree's root in the manifest. */
  readonly leaf: string
  readonly root: string
}

/** One event or alert as it was published. */
export interface ShownRecord {
  readonly topic: string
  readonly tenant: string
  /** The exact record. */
  readonly raw: Buffer
  /** `undefined`: on the bus, not archived yet. */
  readonly evidence: Evidence | undefined
}

/** Answers questions about what was archived and what is about to be. */
export interface QueryEngine extends AsyncDisposable {
  /** Throws `QUERY_INVALID` with what is wrong, `QUERY_LIMIT` where it needs more than it may have. */
  readonly query: (request: QueryRequest) => Promise<QueryResult>
  /** One event or alert with its evidence line; `undefined` where there is none that `tenants` may see. */
  readonly show: (id: string, options?: ShowOptions) => Promise<ShownRecord | undefined>
}

/** Who asks for a record. */
export interface ShowOptions {
  readonly tenants?: readonly string[]
  /** For the record of reads. */
  readonly by?: Reader
  readonly signal?: AbortSignal
}

/** What every question is answered with. */
export interface EngineContext {
  readonly options: QueryEngineOptions
  readonly archive: Archive
  readonly limits: QueryLimits
  readonly processes: ProcessPool
  /** The catalogue, brought to the archive's newest manifests. */
  readonly catalogue: (signal: AbortSignal) => Promise<Catalogue>
}
