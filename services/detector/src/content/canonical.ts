type Piece = string | { readonly value: unknown }

function arrayPieces(values: readonly unknown[]): readonly Piece[] {
  return [
    '[',
    ...values.flatMap((value, index): Piece[] => (index === 0 ? [{ value }] : [',', { value }])),
    ']',
  ]
}

function objectPieces(value: object): readonly Piece[] {
  const entries = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1))
  const pieces = entries.flatMap(([key, entry], index): Piece[] => [
    `${index === 0 ? '' : ','}${JSON.stringify(key)}:`,
    { value: entry },
  ])
  return ['{', ...pieces, '}']
}

/**
 * JSON of a parsed value with sorted keys, so that the order in which somebody writes them is no change. However deep: `JSON.stringify` recurses, and a
 * message that a stranger nests must not end the process.
 */
export function canonical(whole: unknown): string {
  const written: string[] = []
  const left: Piece[] = [{ value: whole }]
  for (let piece = left.pop(); piece !== undefined; piece = left.pop()) {
    if (typeof piece === 'string') written.push(piece)
    else if (typeof piece.value !== 'object' || piece.value === null)
      written.push(JSON.stringify(piece.value))
    else {
      const inner = Array.isArray(piece.value) ? arrayPieces(piece.value) : objectPieces(piece.value)
      for (const next of inner.toReversed()) left.push(next)
    }
  }
  return written.join('')
}
