import {
  isRecordFormat,
  type Filters,
  type QueryFigures,
  type QueryLimits,
  type QueryRequest,
} from '@muniment/query'
import { AppError } from '@muniment/schema'
import { Option } from 'commander'
import type { Call, CliCommand } from '../command.ts'
import { maxRows, openEngineOf } from '../engine.ts'
import { durationMs, flag, instantMs, numberOption, positiveInteger, textOption } from '../options.ts'
import { assertPrintable, formats, printAnswer } from '../query-output.ts'
import { unrecorded } from '../reads.ts'
import { bytesText } from '../show-event.ts'

const views = ['events', 'alerts', 'audit', 'control'] as const

function formatOf({ options, printer }: Call): string {
  return printer.isJson ? 'json' : (textOption(options, 'format') ?? 'table')
}

function filtersOf(call: Call): Filters {
  const { options } = call
  const view = views.find(name => name === options['view']) ?? 'events'
  const isForPeople = view === 'events' && options['kind'] === undefined && formatOf(call) === 'table'
  return {
    view,
    ...(isForPeople && { exceptKind: 'heartbeat' }),
    ...(isRecordFormat(formatOf(call)) && { asRecords: true }),
    sinceMs: numberOption(options, 'since'),
    untilMs: numberOption(options, 'until'),
    kind: textOption(options, 'kind'),
    outcome: textOption(options, 'outcome'),
    method: textOption(options, 'method'),
    target: textOption(options, 'tool'),
    principal: textOption(options, 'principal'),
    server: textOption(options, 'server'),
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
  'server',
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
    ...(formatOf(call) === 'parquet' && { output: 'parquet' as const }),
    ...(tenant !== undefined && { tenants: [tenant] }),
  }
  if (sql === undefined) return { ...common, filters: filtersOf(call) }
  const given = filterNames.find(name => options[name] !== undefined)
  if (given !== undefined)
    throw new AppError('QUERY_INVALID', `--${given} does not go with SQL.`, {
      hint: 'Write the condition into the SQL.',
    })
  return { ...common, sql }
}

function summary(figures: QueryFigures): string {
  const { rows, isTruncated, elapsedMs } = figures
  return `${rows} ${rows === 1 ? 'row' : 'rows'}${isTruncated ? ', more there: raise --limit' : ''} in ${Math.round(elapsedMs)} ms`
}

function explanation({
  segments,
  segmentsFetched,
  segmentsSpared,
  segmentsErased,
  requests,
  bytes,
  tailRows,
  isTailComplete,
}: QueryFigures): string {
  const erased = segmentsErased > 0 ? `, ${segmentsErased} erased` : ''
  const spared = segmentsSpared > 0 ? `, ${segmentsSpared} spared by their filters` : ''
  const tail = `${tailRows} rows not archived yet${isTailComplete ? '' : ' (not all: too many)'}`
  return `${segmentsFetched} of ${segments} segments${spared}${erased}, ${requests} requests, ${bytesText(bytes)}, ${tail}`
}

const megabyte = 1024 * 1024

function limitsOf({ options }: Call): Partial<QueryLimits> {
  const timeoutMs = numberOption(options, 'timeout')
  const memoryMb = numberOption(options, 'memory')
  return {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(memoryMb !== undefined && { memoryMb, maxInputBytes: memoryMb * megabyte }),
  }
}

/** Asks the archive and what is about to be archived. */
export const queryCommand: CliCommand = {
  name: 'query',
  summary: 'Ask who called what, when, and with which outcome',
  help: `SQL (DuckDB's) sees the views events, alerts, audit and control. audit has exactly: timestamp, operation, user_id, resource, success, details, session_id.
Without SQL, options narrow the newest rows of one view. Queries run read-only in a process of their own, without access to files or network. Ctrl-C ends one at once.
ocsf, cloudevents and otel-log print one event a line; with SQL, select the column raw. Every query is an event of the archive itself.`,
  examples: [
    ['muniment query --since 2h --tool read_file', 'the newest calls of a tool'],
    [
      'muniment query --pii EMAIL --outcome ok --json',
      'successful calls with e-mail addresses in them, as NDJSON',
    ],
    ['muniment query "select user_id, count(*) from audit group by 1 order by 2 desc"', 'SQL'],
    ['muniment query "describe events"', 'the columns of a view'],
    ['muniment query --since 1d --format ocsf > calls.ndjson', 'for a SIEM: OCSF API Activity (6003)'],
    ['muniment query "select * from events" -n 1000000 --format parquet > events.parquet', 'for a notebook'],
  ],
  configure: command => {
    command
      .argument('[sql]', 'a query; without it, the options below')
      .option('--since <when>', 'not older than, as in 30m, 2h, 7d or 2026-11-20T08:00Z', instantMs)
      .option('--until <when>', 'not newer than', instantMs)
      .option('--tool <name>', 'tool, prompt or URI')
      .option('--principal <id>', 'who called')
      .option('--server <name>', 'name of the observed server')
      .option('--outcome <name>', 'ok, tool_error, rpc_error, denied, cancelled, unanswered, …')
      .option('--pii <kind>', 'personal data of this kind was masked in it, as in EMAIL')
      .option('--method <name>', 'as in tools/call')
      .option('--kind <name>', 'call, notification, gap, …; a table without it leaves out heartbeats')
      .option('--session <id>', 'session id, where the protocol has one')
      .addOption(new Option('--view <name>', 'which view').choices(views))
      .option('--tenant <name>', 'only this tenant; its key alone is used')
      .option('-n, --limit <count>', 'most rows', positiveInteger, 100)
      .option('--no-tail', 'only what is archived')
      .option('--timeout <duration>', 'longest time (default 30s)', durationMs)
      .option('--memory <MB>', 'most memory, and most bytes read (default 1024)', positiveInteger)
      .option('--explain', 'tell what answering took')
      .addOption(new Option('--format <name>', 'how rows are printed').choices(formats).default('table'))
  },
  run: async call => {
    const { options, printer } = call
    const format = formatOf(call)
    assertPrintable(call, format)
    const request = requestOf(call)
    await using open = await openEngineOf(await call.config(), {
      withTail: request.tail === true,
      onUnrecorded: unrecorded(printer),
      limits: limitsOf(call),
    })
    printer.progress('Reading the archive …')
    await using result = await open.engine.query(request)
    printer.progress('')
    await printAnswer(call, result, format)
    const figures = result.figures()
    printer.say(printer.style('dim', summary(figures)))
    if (flag(options, 'explain')) printer.say(printer.style('dim', explanation(figures)))
    return 0
  },
}
