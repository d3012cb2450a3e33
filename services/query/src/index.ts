export { createConsole, type ConsoleOptions } from './console/console.ts'
export {
  createQueryEngine,
  type QueryEngine,
  type QueryEngineOptions,
  type QueryFigures,
  type QueryLimits,
  type QueryRequest,
  type QueryResult,
} from './engine/engine.ts'
export type { Filters } from './engine/request.ts'
export type { Evidence, ShownRecord } from './engine/show.ts'
export type { Column, Value } from './sandbox/protocol.ts'
