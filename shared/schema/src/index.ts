export { AppError, errorCodes, isAppError, type ErrorCode } from './error.ts'
export {
  adminTenant,
  envelopeLimits,
  eventKinds,
  eventSchema,
  findingSchema,
  type Finding,
  laneOf,
  observationSchema,
  outcomes,
  type MunimentEvent,
  type Observation,
} from './event.ts'
export { isObservation } from './conforms.ts'
export { hitSchema, signalSchema, type Hit, type Signal } from './signal.ts'
export { alertSchema, ocsfVersion, type Alert } from './alert.ts'
export { alertRecord } from './alert-record.ts'
export { decisionActions, decisionKey, decisionSchema, decisionScopes, type Decision } from './decision.ts'
export { cloudEventHeaders, eventType } from './envelope.ts'
export { deadLetterTopic, topic, topics, type Role, type TopicSpec } from './topics.ts'
export {
  batchAad,
  batchHeaders,
  decodeFrames,
  encodeFrames,
  frameBytes,
  maxRecordBytes,
  parseBatchHeaders,
  type BatchHeaders,
  type Frame,
} from './batch.ts'
export { uuidv7 } from './uuid.ts'
