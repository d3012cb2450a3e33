/** Where a text came from, which decides what can be wrong with it. */
export type Source = 'argument' | 'description' | 'result' | 'prompt'

/** One text of an event, with its place. */
export interface Document {
  readonly source: Source
  /** Dotted path inside the event. */
  readonly path: string
  /** Name of the innermost argument or property that holds it. */
  readonly name: string
  readonly text: string
}

/** Where in a text, and how sure. */
export interface Span {
  readonly score: number
  readonly start: number
  readonly end: number
}

/** Nothing found. */
export const nothing: Span = { score: 0, start: 0, end: 0 }

/** The kinds of content that have a detector of their own. */
export type ContentKind =
  | 'sqli'
  | 'nosqli'
  | 'shell'
  | 'traversal'
  | 'ssrf'
  | 'template'
  | 'markup'
  | 'entity'
  | 'directory'
  | 'hidden'
  | 'instruction'
  | 'exfiltration'
