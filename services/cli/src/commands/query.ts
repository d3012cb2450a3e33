import type { Filters, QueryFigures, QueryRequest, QueryResult } from '@muniment/query'
import { AppError } from '@muniment/schema'
import { Option } from 'commander'
import type { Call, CliCommand } from '../command.ts'
import { maxRows, openEngineOf } from '../engine.ts'
import { durationMs, flag, numberOption, positiveInteger, textOption } from '../options.ts'
import { bytesText } from '../show-event.ts'
import { csvLine, tableLines, type Cell } from '../table.ts'

const formats = ['table', 'json', 'csv'] as const
const views = ['events', 'alerts', 'audit', 'control'] as const

function filtersOf({ options }: Call, nowMs: number): Filters {
  const since = numberOption(options, 'since')
  const until = numberOption(options, 'until')
  return {
    view: views.find(view => view === options['view']) ?? 'events',
    sinceMs: since === undefined ? undefined : nowMs - since,
    untilMs: until === undefined ? undefined : nowMs - until,
    kind: textOption(options, 'kind'),
    outcome: textOption(options, 'outcome'),
    method: textOption(options, 'method'),
    target: textOption(options, 'tool'),
    principal: textOption(options, 'principal'),
    session: textOption(options, 'session'),
    pii: textOption(options, 'pii'),
  }
}

const filterNames = [
  'since',
  'until',
  'kind',
  'outcome',
  'method',
  'tool',
  'principal',
  'session',
  'pii',
  'view',
]

function requestOf(call: Call): QueryRequest {
  const { args, options, io } = call
  const [sql] = args
  const tenant = textOption(options, 'tenant')
  const limit = numberOption(options, 'limit') ?? 100
  if (limit > maxRows) throw new AppError('QUERY_LIMIT', `A query gives at most ${maxRows} rows.`)
  const common = {
    limit,
    tail: options['tail'] !== false,
    signal: io.signal,
    ...(tenant !== undefined && { tenants: [tenant] }),
  }
  if (sql === undefined) return { ...common, filters: filtersOf(call, Date.now()) }
  const given = filterNames.find(name => options[name] !== undefined)
  if (given !== undefined)
    throw new AppError('QUERY_INVALID', `--${given} does not go with SQL.`, {
      hint: 'Write the condition into the SQL.',
    })
  return { ...common, sql }
}

async function printRows(call: Call, { columns, rows }: QueryResult, format: string): Promise<void> {
  const names = columns.map(({ name }) => name)
  const { printer } = call
  if (format === 'csv') printer.out(csvLine(names))
  const held: (readonly Cell[])[] = []
  for await (const row of rows) {
    if (format === 'table') held.push(row)
    else if (format === 'csv') printer.out(csvLine(row))
    else printer.out(JSON.stringify(Object.fromEntries(names.map((name, at) => [name, row[at]]))))
  }
  if (format !== 'table') return
  // Whoever named columns wants to see them; a list of everything is easier to read without empty ones.
  const shown = names.map((_, at) => call.args.length > 0 || held.some(row => (row[at] ?? null) !== null))
  const pick = <T>(row: readonly T[]): readonly T[] => row.filter((_, at) => shown[at])
  for (const line of tableLines(pick(names), held.map(pick))) printer.out(line)
}

function summary(figures: QueryFigures): string {
  const { rows, isTruncated, elapsedMs } = figures
  return `${rows} ${rows === 1 ? 'row' : 'rows'}${isTruncated ? ', more there: raise --limit' : ''} in ${Math.round(elapsedMs)} ms`
}

function explanation({
  segments,
  segmentsFetched,
  segmentsErased,
  requests,
  bytes,
  tailRows,
  isTailComplete,
}: QueryFigures): string {
  const erased = segmentsErased > 0 ? `, ${segmentsErased} erased` : ''
  const tail = `${tailRows} rows not archived yet${isTailComplete ? '' : ' (not all: too many)'}`
  return `${segmentsFetched} of ${segments} segments${erased}, ${requests} requests, ${bytesText(bytes)}, ${tail}`
}

/** Asks the archive and what is about to be archived. */
export const queryCommand: CliCommand = {
  name: 'query',
  summary: 'Ask who called what, when, and with which outcome',
  help: `SQL (DuckDB's) sees the views events, alerts, audit and control. audit has exactly: timestamp, operation, user_id, resource, success, details, session_id.
Without SQL, options narrow the newest rows of one view. Queries run read-only in a process of their own, without access to files or network.`,
  examples: [
    ['muniment query --since 2h --tool read_file', 'the newest calls of a tool'],
    [
      'muniment query --pii EMAIL --outcome ok --json',
      'successful calls with e-mail addresses in them, as NDJSON',
    ],
    ['muniment query "select user_id, count(*) from audit group by 1 order by 2 desc"', 'SQL'],
    ['muniment query "describe events"', 'the columns of a view'],
  ],
  configure: command => {
    command
      .argument('[sql]', 'a query; without it, the options below')
      .option('--since <duration>', 'not older than, as in 30m, 2h, 7d', durationMs)
      .option('--until <duration>', 'older than', durationMs)
      .option('--tool <name>', 'tool, prompt or URI')
      .option('--principal <id>', 'who called')
      .option('--outcome <name>', 'ok, tool_error, rpc_error, denied, cancelled, unanswered, …')
      .option('--pii <kind>', 'personal data of this kind was masked in it, as in EMAIL')
      .option('--method <name>', 'as in tools/call')
      .option('--kind <name>', 'call, notification, gap, …')
      .option('--session <id>', 'session id, where the protocol has one')
      .addOption(new Option('--view <name>', 'which view').choices(views))
      .option('--tenant <name>', 'only this tenant; its key alone is used')
      .option('-n, --limit <count>', 'most rows', positiveInteger, 100)
      .option('--no-tail', 'only what is archived')
      .option('--explain', 'tell what answering took')
      .addOption(new Option('--format <name>', 'how rows are printed').choices(formats).default('table'))
  },
  run: async call => {
    const { options, printer } = call
    const request = requestOf(call)
    await using open = await openEngineOf(await call.config(), { withTail: request.tail === true })
    printer.progress('Reading the archive …')
    await using result = await open.engine.query(request)
    printer.progress('')
    await printRows(call, result, printer.isJson ? 'json' : (textOption(options, 'format') ?? 'table'))
    const figures = result.figures()
    printer.say(printer.style('dim', summary(figures)))
    if (flag(options, 'explain')) printer.say(printer.style('dim', explanation(figures)))
    return 0
  },
}
