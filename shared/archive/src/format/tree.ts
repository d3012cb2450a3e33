import { nodeHash, rootOf } from './merkle.ts'

/** An append-only Merkle tree that knows every complete subtree. */
export interface MerkleTree {
  readonly size: () => number
  readonly append: (leaf: Buffer) => void
  /** Root over the first `size` leaves. */
  readonly rootAt: (size: number) => Buffer
  /** Hashes of complete subtrees of 2^height leaves, from the left. */
  readonly level: (height: number) => readonly Buffer[]
  /** Audit path of a leaf in the tree of the first `size` leaves, leaf first (RFC 6962 §2.1.1). */
  readonly inclusionProof: (index: number, size: number) => readonly Buffer[]
  /** Proof that the tree of `size` leaves extends that of `olderSize` (RFC 6962 §2.1.2); empty for equal sizes and size 0. */
  readonly consistencyProof: (olderSize: number, size: number) => readonly Buffer[]
}

/** Largest power of two below `size`. */
function split(size: number): number {
  let left = 1
  while (left * 2 < size) left *= 2
  return left
}

type Subtree = (start: number, end: number) => Buffer

interface Span {
  readonly start: number
  readonly end: number
}

function pathTo(subtree: Subtree, index: number, { start, end }: Span): Buffer[] {
  if (end - start <= 1) return []
  const middle = start + split(end - start)
  return index < middle
    ? [...pathTo(subtree, index, { start, end: middle }), subtree(middle, end)]
    : [...pathTo(subtree, index, { start: middle, end }), subtree(start, middle)]
}

/** RFC 6962 §2.1.2; `isWhole` while the older tree's root is still known to whoever checks. */
function extensionOf(subtree: Subtree, older: number, span: Span & { readonly isWhole: boolean }): Buffer[] {
  const { start, end, isWhole } = span
  if (older === end - start) return isWhole ? [] : [subtree(start, end)]
  const middle = start + split(end - start)
  if (start + older <= middle)
    return [...extensionOf(subtree, older, { start, end: middle, isWhole }), subtree(middle, end)]
  const right = { start: middle, end, isWhole: false }
  return [...extensionOf(subtree, older - (middle - start), right), subtree(start, middle)]
}

/** Creates an empty tree. */
export function createTree(): MerkleTree {
  const levels: Buffer[][] = [[]]
  const levelAt = (height: number): Buffer[] => {
    const level = levels[height] ?? []
    levels[height] = level
    return level
  }
  const subtree = (start: number, end: number): Buffer => {
    const size = end - start
    const height = Math.log2(size)
    const known = Number.isInteger(height) ? levels[height]?.[start / size] : undefined
    if (known !== undefined) return known
    const middle = start + split(size)
    return nodeHash(subtree(start, middle), subtree(middle, end))
  }
  return {
    size: () => levelAt(0).length,
    append(leaf) {
      levelAt(0).push(leaf)
      for (let height = 0; levelAt(height).length % 2 === 0; height++) {
        const [left, right] = levelAt(height).slice(-2)
        if (left !== undefined && right !== undefined) levelAt(height + 1).push(nodeHash(left, right))
      }
    },
    rootAt: size => (size === 0 ? rootOf(Buffer.alloc(0)) : subtree(0, size)),
    level: levelAt,
    inclusionProof: (index, size) => pathTo(subtree, index, { start: 0, end: size }),
    consistencyProof: (olderSize, size) =>
      olderSize === 0 ? [] : extensionOf(subtree, olderSize, { start: 0, end: size, isWhole: true }),
  }
}
