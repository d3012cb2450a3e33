import { AppError, isAppError } from '@muniment/schema'
import { decodeBase64 } from '../format/base64.ts'
import { parseCheckpoint, parseVerifierKey, type Checkpoint } from '../format/checkpoint.ts'
import type { Cosignature } from '../format/cosignature.ts'
import { describeRecord } from '../format/describe.ts'
import { entryBytes } from '../format/entry.ts'
import { parseManifest, sha256Hex, type Manifest } from '../format/manifest.ts'
import { leafHash } from '../format/merkle.ts'
import { manifestKey } from '../format/paths.ts'
import { checkSignatures, parsePolicy, type Trust } from '../format/policy.ts'
import { rootFromInclusion } from '../format/proofs.ts'
import { mergeRanges, subtractRanges, type RangeSet } from '../format/ranges.ts'
import { parseTlogProof, type TlogProof } from '../format/tlog-proof.ts'
import {
  parseStatement,
  pathOf,
  type LaneStatement,
  type RecordStatement,
  type Statement,
} from './statement.ts'

/** What a proof is checked with. */
export interface VerifyProofOptions {
  /** Verifier keys of the log, from a source you trust. */
  readonly verifierKey?: string | readonly string[]
  /** A policy: keys of the log, witnesses, and how many of them must have cosigned. */
  readonly policy?: string
  /** The record that the proof is about, where it is not disclosed in it. */
  readonly record?: Uint8Array
}

/** Where a manifest stands. */
interface ProvenCut {
  readonly topic: string
  readonly partition: number
  readonly first_offset: number
  readonly next_offset: number
  /** When it was sealed, by the archiver's clock. */
  readonly sealed_ms: number
  readonly sha256: string
  readonly entry: number
}

/** What of a record is proven. */
interface ProvenRecord {
  readonly tenant: string
  readonly row: number
  readonly rows: number
  /** SHA-256(0x00 ‖ record), hex. */
  readonly leaf: string
  /** The exact record, where it was in the proof or given beside it. */
  readonly raw: Buffer | undefined
}

/** What of a lane is proven: the archive lists every number from the first to the second. */
interface ProvenLane {
  readonly lane: string
  readonly from: number
  readonly to: number
}

/** What a proof proves, or why it does not. */
export type ProofReport =
  | { readonly ok: false; readonly reason: string }
  | {
      readonly ok: true
      readonly log: { readonly origin: string; readonly treeSize: number; readonly root: string }
      readonly cosignatures: readonly Cosignature[]
      readonly cuts: readonly ProvenCut[]
      readonly record: ProvenRecord | undefined
      readonly lane: ProvenLane | undefined
    }

/** Why a proof does not hold. */
class Refused extends Error {}

function refuse(reason: string): never {
  throw new Refused(reason)
}

function trustOf({ verifierKey, policy }: VerifyProofOptions): Trust {
  const trust: Trust = {
    verifiers: [verifierKey ?? []].flat().map(parseVerifierKey),
    policy: policy === undefined ? undefined : parsePolicy(policy),
  }
  if (trust.verifiers.length > 0 || (trust.policy?.logs.length ?? 0) > 0) return trust
  throw new AppError('INVALID_INPUT', 'A proof is checked against a key of the log, and none was given.', {
    hint: 'Get the verifier key of the log from a source that you trust; `muniment keys log` prints it where the log is kept.',
  })
}

function readManifestText(text: string): { readonly manifest: Manifest; readonly sha256: string } {
  const bytes = Buffer.from(text)
  try {
    return { manifest: parseManifest('of the proof', bytes), sha256: sha256Hex(bytes) }
  } catch (error) {
    if (!isAppError(error, 'ARCHIVE_DAMAGED')) throw error
    return refuse(error.message)
  }
}

interface Anchored {
  readonly manifest: Manifest
  readonly cut: ProvenCut
}

/** A manifest whose entry gives the checkpoint's root. */
function anchor(
  text: string,
  at: { readonly index: number; readonly path: readonly Buffer[] },
  checkpoint: Checkpoint,
): Anchored {
  const { manifest, sha256 } = readManifestText(text)
  const { topic, partition, first_offset, next_offset, clocks } = manifest
  const entry = leafHash(entryBytes({ topic, partition, firstOffset: first_offset, sha256 }))
  const root = rootFromInclusion(entry, { index: at.index, size: checkpoint.treeSize }, at.path)
  if (root?.equals(checkpoint.root) !== true) {
    refuse(`manifest ${manifestKey(topic, partition, first_offset)} is not entry ${at.index} of the log`)
  }
  const { sealed_ms } = clocks
  return {
    manifest,
    cut: { topic, partition, first_offset, next_offset, sealed_ms, sha256, entry: at.index },
  }
}

function recordOf(statement: RecordStatement, given: Uint8Array | undefined): Buffer | undefined {
  const disclosed = statement.record === undefined ? undefined : decodeBase64(statement.record)
  if (statement.record !== undefined && disclosed === undefined) refuse('the disclosed record cannot be read')
  const raw = given === undefined ? disclosed : Buffer.from(given)
  if (raw !== undefined && leafHash(raw).toString('hex') !== statement.leaf) {
    refuse(`the record ${given === undefined ? 'disclosed' : 'given'} is not the one that is proven`)
  }
  return raw
}

function proveRecordOf(
  statement: RecordStatement,
  manifest: Manifest,
  raw: Buffer | undefined,
): ProvenRecord {
  const { leaf, row } = statement
  const segment = manifest.segments[statement.segment]
  if (segment === undefined) return refuse(`the manifest has no segment ${statement.segment}`)
  const { tenant, rows } = segment
  const root = rootFromInclusion(Buffer.from(leaf, 'hex'), { index: row, size: rows }, pathOf(statement.path))
  if (root?.toString('hex') !== segment.root)
    refuse(`the record is not row ${row} of the segment of ${tenant}`)
  if (raw !== undefined && describeRecord(manifest.topic, raw).tenant !== tenant) {
    refuse(`the record is not one of tenant ${tenant}`)
  }
  return { tenant, row, rows, leaf, raw }
}

/** Numbers of a lane that manifests list as archived. */
function listed(cuts: readonly Anchored[], lane: string): RangeSet {
  return mergeRanges(
    cuts.flatMap(({ manifest }) =>
      manifest.lanes.filter(cut => cut.lane === lane).flatMap(cut => cut.ranges),
    ),
  )
}

function proveLaneOf({ lane, from, to }: LaneStatement, cuts: readonly Anchored[]): ProvenLane {
  const places = new Set(cuts.map(({ cut }) => `${cut.topic}/${cut.partition}`))
  if (places.size > 1) refuse('its manifests are of several partitions: a lane lies in one')
  const lacking = subtractRanges([[from, to]], listed(cuts, lane))
  const [first] = lacking
  if (first !== undefined || to < from)
    refuse(`no manifest in it lists number ${first?.[0] ?? from} of lane ${lane}`)
  return { lane, from, to }
}

function anchorAll(statement: Statement, proof: TlogProof, checkpoint: Checkpoint): readonly Anchored[] {
  if (statement.kind === 'record') return [anchor(statement.manifest, proof, checkpoint)]
  const last = statement.cuts.at(-1)
  if (last === undefined || last.index !== proof.index || last.path.join() !== hexOf(proof.path).join())
    return refuse('its last manifest is not the entry that the log proves')
  return statement.cuts.map(({ manifest, index, path }) =>
    anchor(manifest, { index, path: pathOf(path) }, checkpoint),
  )
}

function hexOf(path: readonly Buffer[]): readonly string[] {
  return path.map(hash => hash.toString('hex'))
}

interface SignedHead {
  readonly checkpoint: Checkpoint
  readonly cosignatures: readonly Cosignature[]
}

/** The checkpoint of a proof, signed as the caller wants it. */
function readHead(bytes: Buffer, trust: Trust): SignedHead {
  const checkpoint = parseCheckpoint(bytes) ?? refuse('its checkpoint cannot be read')
  const { isSigned, isWitnessed, cosignatures } = checkSignatures(checkpoint, trust)
  if (!isSigned) refuse('its checkpoint is not signed by a key of the log that is trusted')
  if (trust.policy !== undefined && !isWitnessed)
    refuse('its checkpoint lacks cosignatures that the policy asks for')
  return { checkpoint, cosignatures }
}

type Told = Pick<Extract<ProofReport, { ok: true }>, 'record' | 'lane'>

function readStatement(statement: Statement, cuts: readonly Anchored[], given: Uint8Array | undefined): Told {
  const [first] = cuts
  if (statement.kind === 'lane') {
    if (given !== undefined) refuse('it is not about a single record')
    return { record: undefined, lane: proveLaneOf(statement, cuts) }
  }
  if (first === undefined) return refuse('it names no manifest')
  const raw = recordOf(statement, given)
  return { record: proveRecordOf(statement, first.manifest, raw), lane: undefined }
}

function check(bytes: Buffer, trust: Trust, given: Uint8Array | undefined): ProofReport {
  const proof = parseTlogProof(bytes) ?? refuse('not a tlog-proof')
  const statement = parseStatement(proof.extra ?? Buffer.alloc(0)) ?? refuse('it does not say what it proves')
  const { checkpoint, cosignatures } = readHead(proof.checkpoint, trust)
  const anchored = anchorAll(statement, proof, checkpoint)
  const { origin, treeSize, root } = checkpoint
  const log = { origin, treeSize, root: root.toString('hex') }
  const told = readStatement(statement, anchored, given)
  return { ok: true, log, cosignatures, cuts: anchored.map(({ cut }) => cut), ...told }
}

/**
 * Checks a proof by itself: nothing but the file and what the caller trusts is read. Throws `INVALID_INPUT` or
 * `CONFIG_INVALID` where nothing to trust was given.
 */
export function verifyProof(bytes: Buffer, options: VerifyProofOptions): ProofReport {
  const trust = trustOf(options)
  try {
    return check(bytes, trust, options.record)
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.message }
    throw error
  }
}
