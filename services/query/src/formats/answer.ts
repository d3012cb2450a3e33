import { AppError } from '@muniment/schema'
import type { QueryResult } from '../engine/contract.ts'
import type { Column, Value } from '../sandbox/protocol.ts'
import { csvLine } from './csv.ts'
import { isRecordFormat, recordFormats, toRecordFormat, type RecordFormat } from './formats.ts'

/** How a whole answer is written. */
export const answerFormats = ['json', 'ndjson', 'csv', 'parquet', ...recordFormats] as const

/** A name of {@link answerFormats}. */
export type AnswerFormat = (typeof answerFormats)[number]

type Piece = string | Uint8Array

/** What an answer is written with: `end` comes when every row was written. */
interface Writer {
  readonly begin?: string
  readonly row: (row: readonly Value[], index: number) => Piece | undefined
  readonly end?: () => string
}

type Answer = Pick<QueryResult, 'columns' | 'figures'>

function object(columns: readonly Column[], row: readonly Value[]): object {
  return Object.fromEntries(columns.map(({ name }, at) => [name, row[at] ?? null]))
}

function textOf(value: Value | undefined): string {
  return typeof value === 'string' ? value : ''
}

function recordWriter({ columns }: Answer, format: RecordFormat): Writer {
  const at = columns.findIndex(({ name }) => name === 'raw')
  if (at < 0)
    throw new AppError('QUERY_INVALID', `The format ${format} needs whole events.`, {
      hint: 'Select the column raw: "select raw from events where …".',
    })
  return {
    row: row => {
      const record = toRecordFormat(format, textOf(row[at]))
      return record && `${JSON.stringify(record)}\n`
    },
  }
}

type Make = (answer: Answer) => Writer

const makers: Readonly<Record<Exclude<AnswerFormat, RecordFormat>, Make>> = {
  json: ({ columns, figures }) => ({
    begin: `{"columns":${JSON.stringify(columns)},"rows":[`,
    row: (row, index) => `${index === 0 ? '' : ','}${JSON.stringify(row)}`,
    end: () => `],"figures":${JSON.stringify(figures())}}\n`,
  }),
  ndjson: ({ columns }) => ({ row: row => `${JSON.stringify(object(columns, row))}\n` }),
  csv: ({ columns }) => ({
    begin: `${csvLine(columns.map(({ name }) => name))}\n`,
    row: row => `${csvLine(row)}\n`,
  }),
  parquet: () => ({ row: ([piece]) => Buffer.from(textOf(piece), 'base64') }),
}

function writerFor(answer: Answer, format: AnswerFormat): Writer {
  return isRecordFormat(format) ? recordWriter(answer, format) : makers[format](answer)
}

/**
 * An answer in a format, piece by piece as its rows come. `onSkipped` is told of a record that has no such form. Throws
 * `QUERY_INVALID` at the first piece where the format needs what was not asked for.
 */
export async function* writeAnswer(
  result: QueryResult,
  format: AnswerFormat,
  onSkipped?: () => void,
): AsyncGenerator<Piece> {
  const { begin, row: write, end } = writerFor(result, format)
  if (begin !== undefined) yield begin
  let index = 0
  for await (const row of result.rows) {
    const piece = write(row, index)
    index += 1
    if (piece === undefined) onSkipped?.()
    else yield piece
  }
  if (end !== undefined) yield end()
}

/** The media type of each format. */
export const mediaTypes: Readonly<Record<AnswerFormat, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8; header=present',
  parquet: 'application/vnd.apache.parquet',
  ocsf: 'application/x-ndjson',
  cloudevents: 'application/x-ndjson',
  'otel-log': 'application/x-ndjson',
}
