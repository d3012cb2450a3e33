/** Finds which of many literals occur in texts, all at once. */
export interface Prefilter {
  /** Marks with 1 the literals that occur in one of the lower-case texts; the marks are overwritten by the next call. */
  readonly mark: (texts: Iterable<string>) => Uint8Array
}

interface Trie {
  /** Per node and class of character the next node, 0 where there is none. */
  readonly next: number[][]
  readonly found: number[][]
}

/** Characters that some literal has, by code; 0 for all others. */
function classesOf(literals: readonly string[]): { readonly byCode: Uint16Array; readonly count: number } {
  const byCode = new Uint16Array(0x1_00_00)
  let count = 1
  for (const literal of literals) {
    for (let at = 0; at < literal.length; at += 1) {
      const code = literal.charCodeAt(at)
      if (byCode[code] === 0) {
        byCode[code] = count
        count += 1
      }
    }
  }
  return { byCode, count }
}

function trieOf(literals: readonly string[], byCode: Uint16Array): Trie {
  const trie: Trie = { next: [[]], found: [[]] }
  for (const [index, literal] of literals.entries()) {
    let node = 0
    for (let at = 0; at < literal.length; at += 1) {
      const char = byCode[literal.charCodeAt(at)] ?? 0
      const row = trie.next[node] ?? []
      let child = row[char] ?? 0
      if (child === 0) {
        child = trie.next.length
        row[char] = child
        trie.next.push([])
        trie.found.push([])
      }
      node = child
    }
    trie.found[node]?.push(index)
  }
  return trie
}

interface Building {
  readonly trie: Trie
  readonly count: number
  readonly table: Int32Array
  readonly fails: Int32Array
  /** Nodes whose children are still to come, nearest to the root first. */
  readonly queue: number[]
}

/** Where a node that lacks a child goes on: where its longest suffix goes. */
function step({ trie, count, table, fails, queue }: Building, node: number, char: number): void {
  const child = trie.next[node]?.[char] ?? 0
  const fallback = node === 0 ? 0 : (table[(fails[node] ?? 0) * count + char] ?? 0)
  table[node * count + char] = child === 0 ? fallback : child
  if (child === 0) return
  fails[child] = fallback
  trie.found[child]?.push(...(trie.found[fallback] ?? []))
  queue.push(child)
}

/** The automaton of Aho and Corasick (1975) as one table: a step a character, whatever the literals. */
function automatonOf(trie: Trie, count: number): Int32Array {
  const nodes = trie.next.length
  const table = new Int32Array(nodes * count)
  const building: Building = { trie, count, table, fails: new Int32Array(nodes), queue: [0] }
  for (let head = 0; head < building.queue.length; head += 1) {
    for (let char = 1; char < count; char += 1) step(building, building.queue[head] ?? 0, char)
  }
  return table
}

/** One automaton over all literals (in lower case); time is linear in the texts, whatever the number of literals. */
export function createPrefilter(literals: readonly string[]): Prefilter {
  const { byCode, count } = classesOf(literals)
  const trie = trieOf(literals, byCode)
  const table = automatonOf(trie, count)
  const found = trie.found.map(list => (list.length === 0 ? undefined : Uint32Array.from(list)))
  const marks = new Uint8Array(literals.length)
  const markIn = (text: string): void => {
    let node = 0
    for (let at = 0; at < text.length; at += 1) {
      node = table[node * count + (byCode[text.charCodeAt(at)] ?? 0)] ?? 0
      const list = found[node]
      if (list !== undefined) for (const index of list) marks[index] = 1
    }
  }
  return {
    mark: texts => {
      marks.fill(0)
      for (const text of texts) markIn(text)
      return marks
    },
  }
}
