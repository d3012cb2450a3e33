import {
  DuckDBInstance,
  JsonDuckDBValueConverter,
  StatementType,
  type DuckDBConnection,
  type DuckDBResult,
} from '@duckdb/node-api'
import { openPrivateFiles, type PrivateFiles } from './files.ts'
import { writeParquetAnswer } from './parquet-output.ts'
import { planQuery } from './plan.ts'
import { baseTables, views, type BaseTable } from '../views.ts'
import type { Column, DataFile, Reply, Request, SandboxLimits, Value } from './protocol.ts'
import { converter } from './values.ts'

type PlanRequest = Request & { readonly type: 'plan' }

/** Sends one reply; resolves when the reader keeps up. */
export type Send = (reply: Reply) => Promise<void>

/** One query of one caller, from its plan to its rows. */
export interface Session extends Disposable {
  readonly handle: (request: Request, payload: Uint8Array) => Promise<void>
}

const flushBytes = 256 * 1024

function refuse(message: string): Error {
  return Object.assign(new Error(message), { name: 'Refused' })
}

async function connect(folder: string): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    temp_directory: '',
    // Decrypted blocks would stay listed after their file is gone.
    enable_external_file_cache: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone='UTC'")
  // From here on nothing but the files handed over can be read: planning a query already opens what it names.
  await connection.run(`SET allowed_directories=[${quoted(folder)}]`)
  await connection.run('SET enable_external_access=false')
  return connection
}

const tables: readonly BaseTable[] = Object.values(baseTables)
const columnNames = new Map(tables.map(({ name, columns }) => [name, columns.map(column => column.name)]))

async function createViews(connection: DuckDBConnection): Promise<void> {
  for (const table of tables) {
    await connection.run(emptyTable(table))
    await connection.run(`CREATE VIEW ${table.name} AS SELECT * FROM empty_${table.name}`)
  }
  for (const { name, sql } of views) await connection.run(`CREATE VIEW ${name} AS ${sql}`)
}

/** Takes the way of a query once, over nothing, so that the first one does not pay for loading what it needs. */
async function warmUp(connection: DuckDBConnection): Promise<void> {
  const sql =
    "SELECT time, target FROM events WHERE time > '2026-01-01' AND outcome = 'ok' ORDER BY time DESC LIMIT 1"
  await assertOneSelect(connection, sql)
  await planQuery(connection, sql, columnNames)
  for await (const chunk of await connection.stream(sql)) chunk.convertRows(JsonDuckDBValueConverter)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function emptyTable({ name, columns }: BaseTable): string {
  const list = columns.map(column => `"${column.name}" ${column.type}`).join(', ')
  return `CREATE TABLE empty_${name}(${list})`
}

/** Columns that a file lacks (not fetched, or from an older writer) are NULL. */
function filledTable(name: string, files: readonly StoredFile[]): string {
  const part = (isArchived: boolean): readonly string[] => {
    const paths = files.filter(file => file.isArchived === isArchived).map(file => quoted(file.path))
    if (paths.length === 0) return []
    const from = `read_parquet([${paths.join(', ')}], union_by_name=true, filename=true)`
    return [`SELECT * EXCLUDE (filename), filename AS source, ${isArchived} AS archived FROM ${from}`]
  }
  const parts = [`SELECT * FROM empty_${name}`, ...part(true), ...part(false)]
  return `CREATE OR REPLACE VIEW ${name} AS ${parts.join(' UNION ALL BY NAME ')}`
}

async function assertOneSelect(connection: DuckDBConnection, sql: string): Promise<void> {
  const statements = await connection.extractStatements(sql)
  if (statements.count !== 1) throw refuse('Exactly one SELECT statement is expected.')
  const prepared = await statements.prepare(0)
  const { statementType, parameterCount } = prepared
  prepared.destroySync()
  if (statementType !== StatementType.SELECT) throw refuse('Only SELECT statements are allowed.')
  if (parameterCount > 0) throw refuse('Parameters are not supported; write the values into the query.')
}

interface Answering {
  readonly limits: SandboxLimits
  readonly send: Send
}

interface SentRows {
  readonly truncated: boolean
  readonly count: number
}

function columnsOf(result: DuckDBResult): readonly Column[] {
  const names = result.deduplicatedColumnNames()
  return names.map((name, index) => ({ name, type: String(result.columnType(index)) }))
}

async function sendRows(result: DuckDBResult, output: Answering): Promise<SentRows> {
  const columns = columnsOf(result)
  const convert = columns.map(({ type }) => converter(type))
  await output.send({ type: 'columns', columns })
  let [count, bytes, unsent] = [0, 0, 0]
  let rows: (readonly Value[])[] = []
  for await (const chunk of result) {
    for (const values of chunk.convertRows(JsonDuckDBValueConverter)) {
      if (count === output.limits.maxRows || bytes > output.limits.maxOutputBytes) {
        await output.send({ type: 'rows', rows })
        return { truncated: true, count }
      }
      const row = values.map((value, index) => convert[index]?.(value) ?? value)
      const size = JSON.stringify(row).length
      rows.push(row)
      count += 1
      bytes += size
      unsent += size
      if (unsent < flushBytes) continue
      await output.send({ type: 'rows', rows })
      rows = []
      unsent = 0
    }
  }
  await output.send({ type: 'rows', rows })
  return { truncated: false, count }
}

interface Planned {
  readonly connection: DuckDBConnection
  readonly request: PlanRequest
}

async function plan(
  request: PlanRequest,
  connecting: Promise<DuckDBConnection>,
  send: Send,
): Promise<Planned> {
  // For the case that the parent was killed and cannot kill this process any more.
  setTimeout(() => process.exit(1), request.limits.timeoutMs + 1000).unref()
  const connection = await connecting
  const { memoryMb, threads } = request.limits
  await connection.run(`SET memory_limit='${memoryMb}MB'`)
  await connection.run(`SET threads=${threads}`)
  await assertOneSelect(connection, request.sql)
  const scans = await planQuery(connection, request.sql, columnNames)
  await connection.run('SET lock_configuration=true')
  await send({ type: 'planned', scans })
  return { connection, request }
}

interface StoredFile extends DataFile {
  readonly path: string
}

async function fill({ connection }: Planned, files: readonly StoredFile[]): Promise<void> {
  for (const { name } of tables) {
    const own = files.filter(file => file.table === name)
    if (own.length > 0) await connection.run(filledTable(name, own))
  }
}

async function sendParquet(
  { connection, request }: Planned,
  files: PrivateFiles,
  send: Send,
): Promise<SentRows> {
  const { sql, limits } = request
  const { count, isTruncated, pieces } = await writeParquetAnswer(connection, { sql, limits, files })
  await send({ type: 'columns', columns: [{ name: 'parquet', type: 'VARCHAR' }] })
  for (const piece of pieces) await send({ type: 'rows', rows: [[piece]] })
  return { truncated: isTruncated, count }
}

/** A session that answers through `send`. */
export function openSession(send: Send): Session {
  const store = openPrivateFiles()
  let isAsked = false
  const ready = async (): Promise<DuckDBConnection> => {
    const connection = await connect(store.folder)
    await createViews(connection)
    // Only while nobody waits for it.
    if (!isAsked) await warmUp(connection)
    return connection
  }
  const connecting = ready()
  connecting.catch(() => undefined)
  const files = new Map<number, StoredFile>()
  let planned: Planned | undefined
  return {
    async handle(request, payload) {
      if (request.type === 'plan') {
        isAsked = true
        planned = await plan(request, connecting, send)
      } else if (request.type === 'data') {
        store.append(request.file, payload)
        files.set(request.file, { ...request, path: store.path(request.file) })
      } else if (planned !== undefined) {
        const { connection, request: asked } = planned
        await fill(planned, [...files.values()])
        const sent =
          asked.output === 'parquet'
            ? await sendParquet(planned, store, send)
            : await sendRows(await connection.stream(asked.sql), { limits: asked.limits, send })
        await send({ type: 'end', ...sent })
      }
    },
    [Symbol.dispose]: () => store[Symbol.dispose](),
  }
}
