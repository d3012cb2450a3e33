import { nodeHash } from './merkle.ts'

/** The longest audit path of a tree that fits into safe integers. */
export const maxPathHashes = 53

interface Walk {
  index: number
  last: number
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}

function halve(walk: Walk): void {
  walk.index = Math.floor(walk.index / 2)
  walk.last = Math.floor(walk.last / 2)
}

/** Whether the next sibling stands to the left; climbs past the levels at which an odd last node has none. */
function isLeft(walk: Walk): boolean {
  if (!isOdd(walk.index) && walk.index !== walk.last) return false
  while (!isOdd(walk.index) && walk.index !== 0) halve(walk)
  return true
}

/**
 * The root that a leaf and its audit path give (RFC 9162 §2.1.3.2); `undefined` where the path does not have exactly
 * the length that index and size ask for.
 */
export function rootFromInclusion(
  leaf: Buffer,
  at: { readonly index: number; readonly size: number },
  path: readonly Buffer[],
): Buffer | undefined {
  if (at.index < 0 || at.index >= at.size) return undefined
  const walk: Walk = { index: at.index, last: at.size - 1 }
  let hash = leaf
  for (const sibling of path) {
    if (walk.last === 0) return undefined
    hash = isLeft(walk) ? nodeHash(sibling, hash) : nodeHash(hash, sibling)
    halve(walk)
  }
  return walk.last === 0 ? hash : undefined
}

/** The head of a tree: how many leaves, and the root over them. */
export interface TreeHead {
  readonly treeSize: number
  readonly root: Buffer
}

interface Roots {
  before: Buffer
  after: Buffer
}

function climb(walk: Walk, start: Buffer, path: readonly Buffer[]): Roots | undefined {
  const roots: Roots = { before: start, after: start }
  for (const node of path) {
    if (walk.last === 0) return undefined
    if (isLeft(walk)) {
      roots.before = nodeHash(node, roots.before)
      roots.after = nodeHash(node, roots.after)
    } else roots.after = nodeHash(roots.after, node)
    halve(walk)
  }
  return walk.last === 0 ? roots : undefined
}

function isPowerOfTwo(value: number): boolean {
  return 2 ** Math.round(Math.log2(value)) === value
}

/** The older root as the path and the new root give it; `undefined` where the path cannot be one between these sizes. */
function rootsFrom(older: TreeHead, newSize: number, path: readonly Buffer[]): Roots | undefined {
  const [start, ...rest] = isPowerOfTwo(older.treeSize) ? [older.root, ...path] : path
  if (start === undefined || path.length === 0) return undefined
  const walk: Walk = { index: older.treeSize - 1, last: newSize - 1 }
  while (isOdd(walk.index)) halve(walk)
  return climb(walk, start, rest)
}

/** Whether `path` proves that the newer tree extends the older (RFC 9162 §2.1.4.2); the path must have exactly the right length. */
export function isConsistent(older: TreeHead, newer: TreeHead, path: readonly Buffer[]): boolean {
  if (older.treeSize > newer.treeSize) return false
  if (older.treeSize === 0) return path.length === 0
  if (older.treeSize === newer.treeSize) return path.length === 0 && older.root.equals(newer.root)
  const roots = rootsFrom(older, newer.treeSize, path)
  return roots?.before.equals(older.root) === true && roots.after.equals(newer.root)
}
