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
}

/** Largest power of two below `size`. */
function split(size: number): number {
  let left = 1
  while (left * 2 < size) left *= 2
  return left
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
  const path = (index: number, range: { start: number; end: number }): Buffer[] => {
    const { start, end } = range
    if (end - start <= 1) return []
    const middle = start + split(end - start)
    return index < middle
      ? [...path(index, { start, end: middle }), subtree(middle, end)]
      : [...path(index, { start: middle, end }), subtree(start, middle)]
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
    inclusionProof: (index, size) => path(index, { start: 0, end: size }),
  }
}
