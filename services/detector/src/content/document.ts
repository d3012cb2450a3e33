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

/** What a detector found in a document; `start` and `end` are character positions in its text. */
export interface Finding {
  readonly kind: ContentKind
  readonly score: number
  readonly start: number
  readonly end: number
}

/** The kinds of content that have a detector of their own. */
export type ContentKind =
  | 'sqli'
  | 'nosqli'
  | 'shell'
  | 'traversal'
  | 'ssrf'
  | 'template'
  | 'markup'
  | 'hidden'
  | 'instruction'
  | 'exfiltration'

/** Looks at one text; pure, linear in its length. */
export type ContentDetector = (document: Document) => Finding | undefined
