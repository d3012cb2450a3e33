import type { Value } from '../sandbox/protocol.ts'

/** A value as text that says the same to a person. */
export function plainText(value: Value): string {
  if (value === null) return ''
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(2)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A CSV line (RFC 4180); a leading `=`, `+`, `-` or `@` in text is quoted with a tab, so that spreadsheets do not run it. */
export function csvLine(row: readonly Value[]): string {
  return row
    .map(value => {
      if (typeof value === 'number') return String(value)
      const text = plainText(value)
      const inert = /^[=+\-@\t\r]/u.test(text) ? `\t${text}` : text
      return /[",\r\n\t]/u.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert
    })
    .join(',')
}
