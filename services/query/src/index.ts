export { createConsole, type ConsoleOptions } from './console/console.ts'
export type {
  Evidence,
  QueryEngine,
  QueryEngineOptions,
  QueryFigures,
  QueryLimits,
  QueryRequest,
  QueryResult,
  Reader,
  ReadFacts,
  ShownRecord,
} from './engine/contract.ts'
export { createQueryEngine } from './engine/engine.ts'
export { openApiDocument } from './http/openapi.ts'
export { assertListenable, createQueryApi, type QueryApiOptions } from './http/server.ts'
export { createMcpFace, type McpFaceOptions } from './mcp/server.ts'
export { createQueryService, type QueryService } from './service/service.ts'
export { plainText } from './formats/csv.ts'
export { writeAnswer, type AnswerFormat } from './formats/answer.ts'
export type { Filters } from './engine/request.ts'
export { isRecordFormat, recordFormats, toRecordFormat } from './formats/formats.ts'
export type { Column, Value } from './sandbox/protocol.ts'
