import { sha256Hex } from '../format/manifest.ts'
import { hashBytes } from '../format/merkle.ts'
import { parsePath } from '../format/paths.ts'
import { isSealedBody } from '../format/sealed-body.ts'
import { encryptedMagic } from '../parquet/metadata.ts'
import type { ObjectInfo, Store } from '../store/store.ts'
import type { FindingCode, Findings } from './report.ts'

/** What the manifests refer to. */
export interface Referenced {
  /** `key` and `version` of every object, joined by {@link objectName}. */
  readonly names: ReadonlySet<string>
  /** SHA-256 of data objects, hex. */
  readonly digests: Set<string>
}

/** One name for a version of an object. */
export function objectName(object: { readonly key: string; readonly version: string }): string {
  return `${object.key}\n${object.version}`
}

function isSegmentFile(bytes: Buffer): boolean {
  return (
    bytes.length > 12 &&
    bytes.subarray(0, 4).equals(encryptedMagic) &&
    bytes.subarray(-4).equals(encryptedMagic)
  )
}

/** Base keys of data objects that no manifest refers to: a crashed or losing archiver leaves them, with or without leaf hashes. */
function orphanBases(leftovers: readonly ObjectInfo[]): ReadonlySet<string> {
  const bases = leftovers
    .filter(({ key }) => ['segment', 'bundle'].includes(parsePath(key)?.kind ?? ''))
    .map(({ key }) => key.replace(/\.parquet$/u, ''))
  return new Set(bases)
}

interface Verdict {
  readonly code: FindingCode
  readonly reason: string
}

const orphan: Verdict = {
  code: 'object.orphan',
  reason: 'no manifest refers to it: left by an archiver that stopped or lost a race',
}

const shadow: Verdict = {
  code: 'object.shadowed',
  reason: 'a later version stands over the archived one: readers that do not name a version get it',
}

function judge(
  info: ObjectInfo,
  bytes: Buffer,
  known: { bases: ReadonlySet<string>; digests: Set<string> },
): Verdict {
  const kind = parsePath(info.key)?.kind
  if (kind === 'tree') {
    const isBeside = known.bases.has(info.key.replace(/\.tree$/u, '')) && bytes.length % hashBytes === 0
    return isBeside ? orphan : { code: 'object.foreign', reason: 'leaf hashes that belong to no object' }
  }
  if (kind === undefined || !['segment', 'bundle', 'body'].includes(kind)) {
    return { code: 'object.foreign', reason: 'the archive has no object of this name' }
  }
  const digest = sha256Hex(bytes)
  if (known.digests.has(digest)) return { code: 'object.duplicate', reason: 'a copy of another object' }
  known.digests.add(digest)
  const isOurs = kind === 'body' ? isSealedBody(bytes) : isSegmentFile(bytes)
  return isOurs ? orphan : { code: 'object.foreign', reason: `not an encrypted ${kind}` }
}

/** Looks at every object that nothing refers to. */
export async function checkLeftovers(
  store: Store,
  input: { readonly listed: readonly ObjectInfo[]; readonly referenced: Referenced },
  findings: Findings,
): Promise<void> {
  const { listed, referenced } = input
  const leftovers = listed.filter(info => !referenced.names.has(objectName(info)))
  const keys = new Set(referenced.names.values().map(name => name.slice(0, name.indexOf('\n'))))
  const bases = orphanBases(leftovers.filter(info => !info.isDeleteMarker))
  for (const info of leftovers) {
    if (info.isDeleteMarker) {
      const reason = 'hidden by a delete marker'
      findings.problems.push({ code: 'object.hidden', object: info.key, reason })
      continue
    }
    const bytes = (await store.get(info.key, { version: info.version })) ?? Buffer.alloc(0)
    const judged = judge(info, bytes, { bases, digests: referenced.digests })
    // Archivers in a race store segments of one name, but a body's name has one content.
    const isOrphan = judged === orphan && parsePath(info.key)?.kind !== 'body'
    const { code, reason } = !isOrphan && keys.has(info.key) ? shadow : judged
    const list = code === 'object.orphan' ? findings.notes : findings.problems
    list.push({ code, object: info.key, reason })
  }
}
