import type { Checkpoint } from '../format/checkpoint.ts'
import type { Cosignature } from '../format/cosignature.ts'
import { checkSignatures, type Trust, type WitnessPolicy } from '../format/policy.ts'
import { cosignedKey, cosignedPrefix } from '../format/tiles.ts'
import { inOrder } from '../in-order.ts'
import { checkpointKey } from '../store/checkpoint-store.ts'
import type { ObjectInfo, Store } from '../store/store.ts'
import type { Findings, Witnessed } from './report.ts'

/** A checkpoint that witnesses of the policy cosigned. */
export interface WitnessedHead {
  readonly treeSize: number
  /** Whether these are all that the policy asks for. */
  readonly isWitnessed: boolean
  readonly cosignatures: readonly Cosignature[]
}

interface CosignedInput {
  readonly store: Store
  readonly listed: readonly ObjectInfo[]
  /** Reads a checkpoint and checks it against the log. */
  readonly read: (bytes: Buffer, object: string) => Checkpoint | undefined
}

const objectsAhead = 16

/** Every cosigned checkpoint in the store that is what its name says. */
export async function readCosigned(input: CosignedInput, findings: Findings): Promise<readonly Checkpoint[]> {
  const { store, listed, read } = input
  const wanted = listed.filter(({ key, isDeleteMarker }) => key.startsWith(cosignedPrefix) && !isDeleteMarker)
  const found: Checkpoint[] = []
  const load = async ({ key, version }: ObjectInfo): Promise<{ key: string; bytes: Buffer }> => ({
    key,
    bytes: (await store.get(key, { version })) ?? Buffer.alloc(0),
  })
  for await (const { key, bytes } of inOrder(wanted, objectsAhead, load)) {
    const checkpoint = read(bytes, key)
    if (checkpoint === undefined) continue
    if (cosignedKey(checkpoint.treeSize, bytes) === key) found.push(checkpoint)
    else {
      const entries = { first: 0, next: checkpoint.treeSize }
      const reason = 'is not what its name says'
      findings.problems.push({ code: 'log.cosigned', object: key, reason, entries })
    }
  }
  return found
}

function foreignLines({ signatures, origin }: Checkpoint): readonly string[] {
  return signatures
    .filter(({ name }) => name !== origin)
    .map(({ name, keyId, signature }) => `${name} ${Buffer.concat([keyId, signature]).toString('base64')}`)
}

/** Cosignatures on the published checkpoint are always kept too: without a policy only this shows an altered one. */
export function checkPublished(
  kept: readonly Checkpoint[],
  published: Checkpoint | undefined,
  findings: Findings,
): void {
  if (published === undefined) return
  const known = new Set(kept.filter(({ text }) => text === published.text).flatMap(foreignLines))
  if (foreignLines(published).every(line => known.has(line))) return
  const reason = 'carries a cosignature that no kept checkpoint has'
  const entries = { first: 0, next: published.treeSize }
  findings.problems.push({ code: 'log.cosigned', object: checkpointKey, reason, entries })
}

/** What witnesses of the policy say of checkpoints. */
export function witnessedHeads(kept: readonly Checkpoint[], trust: Trust): readonly WitnessedHead[] {
  return kept.map(checkpoint => {
    const { isWitnessed, cosignatures } = checkSignatures(checkpoint, trust)
    return { treeSize: checkpoint.treeSize, isWitnessed, cosignatures }
  })
}

function newestOf(heads: readonly WitnessedHead[], name: string): Witnessed['by'] {
  const seen = heads.flatMap(({ treeSize, cosignatures }) =>
    cosignatures.filter(each => each.name === name).map(({ time }) => ({ name, treeSize, time })),
  )
  return seen.toSorted((a, b) => a.treeSize - b.treeSize || a.time - b.time).slice(-1)
}

/** How far the log is witnessed; a log that is not at all is not what the policy asks for. */
export function witnessedBy(
  heads: readonly WitnessedHead[],
  { policy, treeSize: published }: { readonly policy: WitnessPolicy; readonly treeSize: number },
  findings: Findings,
): Witnessed {
  const by = policy.witnesses.flatMap(({ verifier }) => newestOf(heads, verifier.name))
  const isFree = policy.isMetBy(new Set())
  const sizes = heads.filter(({ isWitnessed }) => isWitnessed).map(head => head.treeSize)
  const treeSize = isFree ? published : sizes.reduce((top, size) => Math.max(top, size), 0)
  const entries = { first: treeSize, next: published }
  if (treeSize === 0 && published > 0) {
    const reason = 'no checkpoint has the cosignatures that the policy asks for'
    findings.problems.push({ code: 'log.unwitnessed', object: checkpointKey, reason, entries })
  } else if (treeSize < published) {
    const reason = `entries ${treeSize} to ${published - 1} do not have the cosignatures that the policy asks for yet`
    findings.notes.push({ code: 'log.unwitnessed', object: checkpointKey, reason, entries })
  }
  return { treeSize, by }
}
