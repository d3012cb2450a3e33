import {
  isMap as isMapNode,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
} from 'yaml'
import { invalid } from './invalid.ts'

const maxYamlLength = 1_000_000

/** A file of settings, and where its parts stand. */
export interface Yaml {
  readonly value: Readonly<Record<string, unknown>>
  /** Line of what a path names, or of what there is of it. */
  readonly lineOf: (path: readonly PropertyKey[]) => number
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A part of the document one step down, and the offset at which it is named. */
function below(
  node: unknown,
  step: PropertyKey,
): { readonly node: unknown; readonly at: number } | undefined {
  if (isSeq(node)) {
    const item: unknown = node.items[Number(step)]
    return isNode(item) && item.range ? { node: item, at: item.range[0] } : undefined
  }
  if (!isMapNode(node)) return undefined
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
  return isScalar(pair?.key) && pair.key.range ? { node: pair.value, at: pair.key.range[0] } : undefined
}

function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  let place: { readonly node: unknown; readonly at: number } = { node: document.contents, at: 0 }
  for (const step of path) {
    const next = below(place.node, step)
    if (next === undefined) break
    place = next
  }
  return place.at
}

/** Parses a file of settings. Throws `CONFIG_INVALID` with the line, never with its text. */
export function parseYaml(text: string, name = 'muniment.yaml'): Yaml {
  if (text.length > maxYamlLength) throw invalid(name, `is longer than ${maxYamlLength} characters.`)
  const lines = new LineCounter()
  // Pretty errors would quote the text, which may hold a password.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, schema: 'core' })
  const [error] = document.errors
  if (error !== undefined)
    throw invalid(name, `is not YAML: ${error.code} in line ${lines.linePos(error.pos[0]).line}.`)
  // Nothing here needs aliases, and they can blow a small file up.
  visit(document, {
    Alias() {
      throw invalid(name, 'uses an alias (*name): write the value out.')
    },
  })
  const value: unknown = document.toJS() ?? {}
  if (!isMap(value)) throw invalid(name, 'must be a map of settings.')
  return { value, lineOf: path => lines.linePos(offsetOf(document, path)).line }
}
