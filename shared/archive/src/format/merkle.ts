import { hash } from 'node:crypto'

/** Merkle trees as in RFC 6962 §2.1: https://www.rfc-editor.org/rfc/rfc6962#section-2.1 */
export const hashBytes = 32

function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/** Hash of a leaf: SHA-256(0x00 ‖ bytes). */
export function leafHash(bytes: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(bytes.length + 1)
  prefixed[0] = 0
  prefixed.set(bytes, 1)
  return sha256(prefixed)
}

/** Hash of a node: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(1 + 2 * hashBytes)
  prefixed[0] = 1
  prefixed.set(left, 1)
  prefixed.set(right, 1 + hashBytes)
  return sha256(prefixed)
}

/** The hashes one level up; an odd last one moves up as it is. */
function levelUp(hashes: readonly Uint8Array[]): readonly Uint8Array[] {
  const parents: Uint8Array[] = []
  for (let at = 0; at < hashes.length; at += 2) {
    const left = hashes[at]
    const right = hashes[at + 1]
    if (left !== undefined) parents.push(right === undefined ? left : nodeHash(left, right))
  }
  return parents
}

/** The root over leaf hashes; SHA-256 of nothing for an empty tree. */
export function rootOf(leaves: readonly Uint8Array[]): Buffer {
  let level = leaves
  while (level.length > 1) level = levelUp(level)
  const [root] = level
  return root === undefined ? sha256(Buffer.alloc(0)) : Buffer.from(root)
}

/** The hashes in a `.tree` object. */
export function splitHashes(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: Math.floor(bytes.length / hashBytes) }, (_, index) =>
    bytes.subarray(index * hashBytes, (index + 1) * hashBytes),
  )
}
