import type { Document, Source } from './document.ts'

/** Bounds on what is looked at per event: depth of nesting, number of texts, characters of one text and of all texts. */
const limits = { depth: 16, texts: 512, textChars: 16_384, eventChars: 65_536 } as const

/** Fewest characters in which something can be wrong; two are an operator, an order to a model takes a dozen. */
const shortest: Readonly<Record<Source, number>> = { argument: 2, description: 12, result: 12, prompt: 8 }

/** Collects texts of one event within the bounds. */
export interface Collector {
  readonly documents: Document[]
  chars: number
}

/** Adds one text. Of a longer one the first and the last part are kept, since payloads hide at both ends. */
function addText(collector: Collector, document: Document): void {
  const { text } = document
  if (
    text.length < shortest[document.source] ||
    collector.documents.length >= limits.texts ||
    collector.chars >= limits.eventChars
  )
    return
  const half = limits.textChars / 2
  const kept = text.length > limits.textChars ? `${text.slice(0, half)}\n${text.slice(-half)}` : text
  collector.chars += kept.length
  collector.documents.push(kept === text ? document : { ...document, text: kept })
}

interface Place {
  readonly source: Source
  readonly path: string
  readonly name: string
  readonly depth: number
}

function walkList(collector: Collector, values: readonly unknown[], place: Place): void {
  const depth = place.depth + 1
  for (let index = 0; index < values.length && collector.documents.length < limits.texts; index += 1) {
    const path = `${place.path}[${index}]`
    walk(collector, values[index], { source: place.source, path, name: place.name, depth })
  }
}

/** Adds every text inside a JSON value, keys of objects excluded. */
export function walk(collector: Collector, value: unknown, place: Place): void {
  const { source, path, depth } = place
  if (typeof value === 'string') {
    addText(collector, { source, path, name: place.name, text: value })
    return
  }
  if (typeof value !== 'object' || value === null || depth > limits.depth) return
  if (Array.isArray(value)) {
    walkList(collector, value, place)
    return
  }
  for (const [key, child] of Object.entries(value)) {
    if (typeof child !== 'string' && typeof child !== 'object') continue
    const name = key.length > 64 ? key.slice(0, 64) : key
    walk(collector, child, { source, path: `${path}.${name}`, name, depth: depth + 1 })
  }
}
