import { proveRecord, type ArchiveStore, type VerifyReport } from '@muniment/archive'
import { AppError } from '@muniment/schema'
import type {
  Evidence,
  QueryEngine,
  QueryRequest,
  QueryResult,
  Reader,
  ShownRecord,
} from '../engine/contract.ts'
import { isRecordFormat } from '../formats/formats.ts'
import { createAdmission, type Admission } from './admission.ts'
import { filtersOf, type Question } from './questions.ts'
import { verdictFor, type Verdict } from './verdict.ts'

/** What a caller may do; each is asked for by a scope of the same name. */
export type Scope = 'audit:read' | 'audit:prove' | 'audit:verify'

/** Who asks, and whose rows that caller may see. */
export interface Caller {
  /** All where left out: whoever runs this process. */
  readonly tenants?: readonly string[]
  /** As verified; left out for whoever runs this process. */
  readonly by?: Reader
}

/** What the service answers from. */
export interface QueryServiceOptions {
  readonly engine: QueryEngine
  readonly store: ArchiveStore
  readonly verify: (signal: AbortSignal) => Promise<VerifyReport>
  readonly now: () => number
}

/** What of a record is to be proven. */
interface ProofWanted {
  readonly id: string
  /** Whether the record itself stands in the proof. */
  readonly isDisclosed: boolean
  readonly signal: AbortSignal
}

/** Answers callers within what they may see, do and ask at once; every face of the archive is one of this. */
export interface QueryService {
  /** Throws `ACCESS_DENIED`, `RATE_LIMITED`, and what the engine throws. */
  readonly query: (caller: Caller, question: Question, signal: AbortSignal) => Promise<QueryResult>
  /** Throws `NOT_FOUND` where there is no such record that the caller may see. */
  readonly show: (caller: Caller, id: string, signal: AbortSignal) => Promise<ShownRecord>
  /** A C2SP tlog-proof. It names the tenants of the same cut, hence a scope of its own. */
  readonly prove: (caller: Caller, wanted: ProofWanted) => Promise<Buffer>
  /** Reads the whole archive; those who ask meanwhile share one run. */
  readonly verify: (caller: Caller) => Promise<Verdict>
  /** The whole report, for whoever runs this process. */
  readonly report: () => Promise<VerifyReport>
}

interface State extends QueryServiceOptions {
  readonly admission: Admission
  readonly report: () => Promise<VerifyReport>
}

function demand({ by }: Caller, scope: Scope): void {
  if (by === undefined || by.scopes?.includes(scope) === true) return
  throw new AppError('ACCESS_DENIED', `The credential lacks the scope ${scope}.`)
}

function requestOf(caller: Caller, question: Question, nowMs: number): QueryRequest {
  const { sql, filters, limit, tail, timeout_ms: timeoutMs, format } = question
  const isWhole = isRecordFormat(format) && { asRecords: true }
  if (sql !== undefined && filters !== undefined)
    throw new AppError('INVALID_INPUT', 'A query has either SQL or filters, not both.')
  return {
    ...caller,
    limit,
    tail,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(format === 'parquet' && { output: 'parquet' as const }),
    ...(sql === undefined ? { filters: { ...filtersOf(filters ?? {}, nowMs), ...isWhole } } : { sql }),
  }
}

async function* holding<T>(rows: AsyncIterable<T>, place: Disposable): AsyncGenerator<T> {
  using _ = place
  yield* rows
}

async function query(
  { admission, engine, now }: State,
  caller: Caller,
  { question, signal }: { readonly question: Question; readonly signal: AbortSignal },
): Promise<QueryResult> {
  demand(caller, 'audit:read')
  const request = requestOf(caller, question, now())
  const place = admission.enter(caller.by)
  try {
    const result = await engine.query({ ...request, signal })
    return {
      ...result,
      rows: holding(result.rows, place),
      async [Symbol.asyncDispose]() {
        place[Symbol.dispose]()
        await result[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    place[Symbol.dispose]()
    throw error
  }
}

async function show(
  { admission, engine }: State,
  caller: Caller,
  { id, signal }: Pick<ProofWanted, 'id' | 'signal'>,
): Promise<ShownRecord> {
  demand(caller, 'audit:read')
  using _ = admission.enter(caller.by)
  const shown = await engine.show(id, { ...caller, signal })
  if (shown !== undefined) return shown
  throw new AppError('NOT_FOUND', `There is no event or alert ${id.slice(0, 100)}.`)
}

function evidenceOf({ evidence }: ShownRecord, id: string): Evidence {
  if (evidence !== undefined) return evidence
  throw new AppError('NOT_FOUND', `${id} is not archived yet.`, {
    hint: 'Events are archived and signed within a few seconds; try again.',
  })
}

async function prove(state: State, caller: Caller, wanted: ProofWanted): Promise<Buffer> {
  demand(caller, 'audit:prove')
  const shown = await show(state, caller, wanted)
  const { isDisclosed, id } = wanted
  return await proveRecord(state.store, evidenceOf(shown, id), { raw: shown.raw, isDisclosed })
}

async function verify({ report }: State, caller: Caller): Promise<Verdict> {
  demand(caller, 'audit:verify')
  return verdictFor(await report(), caller.tenants)
}

function sharedReport(run: QueryServiceOptions['verify']): () => Promise<VerifyReport> {
  let running: Promise<VerifyReport> | undefined
  return () => (running ??= run(new AbortController().signal).finally(() => (running = undefined)))
}

/** The service over an engine: at most six questions at once, three of one caller. */
export function createQueryService(options: QueryServiceOptions): QueryService {
  const admission = createAdmission({ total: 6, perCaller: 3 })
  const state: State = { ...options, admission, report: sharedReport(options.verify) }
  return {
    query: async (caller, question, signal) => await query(state, caller, { question, signal }),
    show: async (caller, id, signal) => await show(state, caller, { id, signal }),
    prove: async (caller, wanted) => await prove(state, caller, wanted),
    verify: async caller => await verify(state, caller),
    report: state.report,
  }
}
