/** Whether a path lies in the part of a message a selector names. */
export type Selector = (path: string) => boolean

const segmentsOf = (path: string): readonly string[] =>
  path
    .replaceAll('[]', '.[]')
    .split('.')
    .filter(part => part !== '')

const isMatch = (pattern: string, segment: string): boolean => pattern === '*' || pattern === segment

/** Which prefixes of the path each prefix of the pattern covers, row by row: linear in pattern × path. */
const nextRow = (row: readonly boolean[], pattern: string, path: readonly string[]): readonly boolean[] => {
  const next: boolean[] = [pattern === '**' && row[0] === true]
  for (let i = 1; i <= path.length; i++) {
    const step = row[i - 1] === true
    if (pattern === '**') next[i] = row[i] === true || next[i - 1] === true
    else next[i] = step && isMatch(pattern, path[i - 1] ?? '')
  }
  return next
}

/** `*` stands for one key or index, `**` for any number of them; a selector also covers everything below what it names. */
export const compileSelector = (selector: string): Selector => {
  const pattern = [...segmentsOf(selector), '**']
  return path => {
    const segments = segmentsOf(path)
    let row: readonly boolean[] = [true, ...segments.map(() => false)]
    for (const part of pattern) row = nextRow(row, part, segments)
    return row[segments.length] === true
  }
}
