export { createConsole, type ConsoleOptions } from './console/console.ts'
export {
  createQueryEngine,
  type QueryEngine,
  type QueryEngineOptions,
  type QueryFigures,
  type QueryLimits,
  type QueryRequest,
  type QueryResult,
  type ReadFacts,
} from './engine/engine.ts'
export type { Filters } from './engine/request.ts'
export { isRecordFormat, recordFormats, toRecordFormat, type RecordFormat } from './formats/formats.ts'
export type { Evidence, ShownRecord } from './engine/show.ts'
export type { Column, Value } from './sandbox/protocol.ts'
