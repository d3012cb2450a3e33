// A guard and the server behind it must read the same message. Parsers differ in which of two equal keys they take, and some do not mind the
// case of letters: what could be read in two ways where it matters is refused.

const objectDepth = { message: 1, params: 2 } as const
/** Names by which a request is judged, as they must be written. */
const exactNames: Readonly<Record<number, ReadonlySet<string>>> = {
  [objectDepth.message]: new Set(['jsonrpc', 'id', 'method', 'params']),
  [objectDepth.params]: new Set(['name', 'uri', 'arguments', '_meta']),
}

/** As those fold who do not mind the case: ſ is an s, and the Kelvin sign a k. */
function fold(key: string): string {
  return key.toLowerCase().toUpperCase()
}

const foldedNames = new Map(
  Object.values(exactNames).flatMap(names => [...names].map((name): [string, string] => [fold(name), name])),
)

function isMiswritten(key: string, depth: number): boolean {
  const name = foldedNames.get(fold(key))
  return name !== undefined && name !== key && exactNames[depth]?.has(name) === true
}

function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at
  }
  return text.length
}

interface Walk {
  readonly text: string
  /** Keys seen of each open object, `undefined` for an array. */
  readonly open: (Set<string> | undefined)[]
  isKeyNext: boolean
}

/** Whether the key at `start` was there before, or is a misspelling of one that counts. */
function isBadKey({ text, open }: Walk, start: number, end: number): boolean {
  const depth = open.length
  if (depth > objectDepth.params) return false
  const key: unknown = JSON.parse(text.slice(start, end + 1))
  const seen = open[depth - 1]
  if (typeof key !== 'string' || seen === undefined) return false
  const folded = fold(key)
  if (seen.has(folded) || isMiswritten(key, depth)) return true
  seen.add(folded)
  return false
}

function structure(walk: Walk, character: string): void {
  const { open } = walk
  if (character === '{') open.push(new Set())
  else if (character === '[') open.push(undefined)
  else if (character === '}' || character === ']') open.pop()
  if (character === ':') walk.isKeyNext = false
  else if (character === '{' || character === ',') walk.isKeyNext = open.at(-1) !== undefined
}

/** Whether two parsers could differ over what this JSON text asks for. The text is valid JSON. */
export function isAmbiguous(text: string): boolean {
  const walk: Walk = { text, open: [], isKeyNext: false }
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    if (character !== '"') {
      structure(walk, character)
      continue
    }
    const end = endOfString(text, at)
    if (walk.isKeyNext && isBadKey(walk, at, end)) return true
    at = end
  }
  return false
}
