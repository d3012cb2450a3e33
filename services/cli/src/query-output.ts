import { once } from 'node:events'
import {
  isRecordFormat,
  recordFormats,
  toRecordFormat,
  type QueryResult,
  type RecordFormat,
} from '@muniment/query'
import { AppError } from '@muniment/schema'
import type { Call } from './command.ts'
import { csvLine, tableLines, type Cell } from './table.ts'

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

async function printCsv(call: Call, { columns, rows }: QueryResult): Promise<void> {
  await write(call, `${csvLine(columns.map(({ name }) => name))}\n`)
  for await (const row of rows) await write(call, `${csvLine(row)}\n`)
}

async function printJson(call: Call, { columns, rows }: QueryResult): Promise<void> {
  for await (const row of rows)
    await write(
      call,
      `${JSON.stringify(Object.fromEntries(columns.map(({ name }, at) => [name, row[at]])))}\n`,
    )
}

function textOf(value: Cell | undefined): string {
  return typeof value === 'string' ? value : ''
}

async function printParquet(call: Call, { rows }: QueryResult): Promise<void> {
  for await (const [piece] of rows) await write(call, Buffer.from(textOf(piece), 'base64'))
}

async function printRecords(call: Call, { columns, rows }: QueryResult, format: RecordFormat): Promise<void> {
  const at = columns.findIndex(({ name }) => name === 'raw')
  if (at < 0)
    throw new AppError('QUERY_INVALID', `The format ${format} needs whole events.`, {
      hint: 'Select the column raw: muniment query "select raw from events where …".',
    })
  let skipped = 0
  for await (const row of rows) {
    const record = toRecordFormat(format, textOf(row[at]))
    if (record === undefined) skipped += 1
    else await write(call, `${JSON.stringify(record)}\n`)
  }
  if (skipped > 0) call.printer.say(`${skipped} records are no events and were left out.`)
}

/** Throws `INVALID_INPUT` where a format cannot go where it would. */
export function assertPrintable({ io }: Call, format: string): void {
  if (format === 'parquet' && io.stdout.isTTY === true)
    throw new AppError('INVALID_INPUT', 'Parquet is not for a terminal: write it to a file with >.')
}

/** Prints an answer as it comes. */
export async function printAnswer(call: Call, result: QueryResult, format: string): Promise<void> {
  if (isRecordFormat(format)) return await printRecords(call, result, format)
  if (format === 'parquet') return await printParquet(call, result)
  if (format === 'csv') return await printCsv(call, result)
  return await (format === 'table' ? printTable(call, result) : printJson(call, result))
}
