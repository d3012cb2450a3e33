export { createConsole, type ConsoleOptions } from './console/console.ts'
export {
  createQueryEngine,
  type QueryEngine,
  type QueryEngineOptions,
  type QueryFigures,
  type QueryLimits,
  type QueryRequest,
  type QueryResult,
  type Reader,
  type ReadFacts,
} from './engine/engine.ts'
export { openApiDocument } from './http/openapi.ts'
export { assertListenable, createQueryApi, type QueryApiOptions } from './http/server.ts'
export { createMcpFace, type McpFaceOptions } from './mcp/server.ts'
export { createQueryService, type QueryService } from './service/service.ts'
export { plainText } from './formats/csv.ts'
export { writeAnswer, type AnswerFormat } from './formats/answer.ts'
export type { Filters } from './engine/request.ts'
export { isRecordFormat, recordFormats, toRecordFormat } from './formats/formats.ts'
export type { Evidence, ShownRecord } from './engine/show.ts'
export type { Column, Value } from './sandbox/protocol.ts'
