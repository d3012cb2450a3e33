import { plainText, type Value } from '@muniment/query'
import { safe } from './print.ts'

/** A value of a row. */
export type Cell = Value

const maxCellWidth = 60

function cellText(value: Cell): string {
  const text = safe(plainText(value))
  return text.length > maxCellWidth ? `${text.slice(0, maxCellWidth - 1)}…` : text
}

/** Rows as aligned columns, numbers to the right. */
export function tableLines(names: readonly string[], rows: readonly (readonly Cell[])[]): readonly string[] {
  const cells = rows.map(row => row.map(cellText))
  const widths = names.map((name, at) => Math.max(name.length, ...cells.map(row => row[at]?.length ?? 0)))
  const isNumber = names.map(
    (_, at) => rows.length > 0 && rows.every(row => row[at] === null || typeof row[at] === 'number'),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((text, at) =>
        isNumber[at] === true ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [line(names), line(widths.map(width => '─'.repeat(width))), ...cells.map(line)]
}
