import { hash } from 'node:crypto'

/** Merkle trees as in RFC 6962 §2.1: https://www.rfc-editor.org/rfc/rfc6962#section-2.1 */
export const hashBytes = 32

// Text output costs a third of a new buffer for each hash.
const encoding = 'binary'

/** SHA-256 of nothing: the root of an empty tree. */
const emptyRoot = hash('sha256', Buffer.alloc(0), 'buffer')

let leafScratch = Buffer.alloc(4096)

/** Writes the hash of a leaf, SHA-256(0x00 ‖ bytes), to `target` at `at`. */
function writeLeafHash(bytes: Uint8Array, target: Buffer, at: number): void {
  const length = bytes.length + 1
  if (length > leafScratch.length) leafScratch = Buffer.alloc(2 * length)
  leafScratch[0] = 0
  leafScratch.set(bytes, 1)
  target.write(hash('sha256', leafScratch.subarray(0, length), encoding), at, encoding)
}

/** Hash of a leaf: SHA-256(0x00 ‖ bytes). */
export function leafHash(bytes: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(hashBytes)
  writeLeafHash(bytes, target, 0)
  return target
}

/** Hashes of leaves, one after the other. */
export function leafHashes(leaves: readonly Uint8Array[]): Buffer {
  const target = Buffer.allocUnsafe(leaves.length * hashBytes)
  for (const [index, leaf] of leaves.entries()) writeLeafHash(leaf, target, index * hashBytes)
  return target
}

const nodeScratch = Buffer.alloc(1 + 2 * hashBytes, 1)

/** Hash of a node: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  nodeScratch.set(left, 1)
  nodeScratch.set(right, 1 + hashBytes)
  return Buffer.from(hash('sha256', nodeScratch, encoding), encoding)
}

/** Replaces the first `count` hashes of `level` by their parents; an odd last one moves up as it is. */
function levelUp(level: Buffer, count: number): number {
  const pairs = Math.floor(count / 2)
  for (let index = 0; index < pairs; index++) {
    level.copy(nodeScratch, 1, index * 2 * hashBytes, (index + 1) * 2 * hashBytes)
    level.write(hash('sha256', nodeScratch, encoding), index * hashBytes, encoding)
  }
  if (count % 2 === 1) level.copyWithin(pairs * hashBytes, (count - 1) * hashBytes, count * hashBytes)
  return pairs + (count % 2)
}

/** The root over leaf hashes that stand one after the other. */
export function rootOf(leaves: Buffer): Buffer {
  const level = Buffer.from(leaves)
  let count = Math.floor(level.length / hashBytes)
  if (count === 0) return emptyRoot
  while (count > 1) count = levelUp(level, count)
  return level.subarray(0, hashBytes)
}
