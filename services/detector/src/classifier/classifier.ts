/** A text as a classifier is given it: masked, cut, and where it stood. */
export interface ClassifierText {
  readonly kind: 'argument' | 'result' | 'description' | 'prompt'
  readonly text: string
}

/** Something that was fitted to data. What it says is evidence beside a rule's, never an alarm by itself. */
export interface Classifier extends AsyncDisposable {
  /** How much the text looks like an attack, 0..1; undefined where no answer came in time. Never rejects. */
  readonly score: (text: ClassifierText) => Promise<number | undefined>
}
