import type { ObjectInfo } from '../store/store.ts'

/** The first object after `key` in a listing in the order of its keys, found by halving: an archive may be made so that this is asked of every object. */
export function listedAfter(listed: readonly ObjectInfo[], key: string): ObjectInfo | undefined {
  let [from, end] = [0, listed.length]
  while (from < end) {
    const middle = from + Math.floor((end - from) / 2)
    if ((listed[middle]?.key ?? '') > key) end = middle
    else from = middle + 1
  }
  return listed[from]
}
