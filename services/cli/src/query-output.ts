import { once } from 'node:events'
import {
  isRecordFormat,
  recordFormats,
  writeAnswer,
  type AnswerFormat,
  type QueryResult,
} from '@muniment/query'
import { AppError } from '@muniment/schema'
import type { Call } from './command.ts'
import { tableLines, type Cell } from './table.ts'

/** How rows are printed. */
export const formats = ['table', 'json', 'csv', 'parquet', ...recordFormats] as const

async function printTable(call: Call, { columns, rows }: QueryResult): Promise<void> {
  const names = columns.map(({ name }) => name)
  const held: (readonly Cell[])[] = []
  for await (const row of rows) held.push(row)
  // Whoever named columns wants to see them; a list of everything is easier to read without empty ones.
  const shown = names.map((_, at) => call.args.length > 0 || held.some(row => (row[at] ?? null) !== null))
  const pick = <T>(row: readonly T[]): readonly T[] => row.filter((_, at) => shown[at])
  for (const line of tableLines(pick(names), held.map(pick))) call.printer.out(line)
}

/** Waits while the reader is slow, so that rows do not pile up here. */
async function write({ io }: Call, bytes: string | Uint8Array): Promise<void> {
  if (!io.stdout.write(bytes)) await once(io.stdout, 'drain')
}

/** Throws `INVALID_INPUT` where a format cannot go where it would. */
export function assertPrintable({ io }: Call, format: string): void {
  if (format === 'parquet' && io.stdout.isTTY === true)
    throw new AppError('INVALID_INPUT', 'Parquet is not for a terminal: write it to a file with >.')
}

/** On a command line, JSON is a line for each row. */
function writtenAs(format: string): AnswerFormat {
  if (isRecordFormat(format)) return format
  return format === 'csv' || format === 'parquet' ? format : 'ndjson'
}

/** Prints an answer as it comes. */
export async function printAnswer(call: Call, result: QueryResult, format: string): Promise<void> {
  if (format === 'table') return await printTable(call, result)
  let skipped = 0
  for await (const piece of writeAnswer(result, writtenAs(format), () => (skipped += 1)))
    await write(call, piece)
  if (skipped > 0) call.printer.say(`${skipped} records are no events and were left out.`)
}
