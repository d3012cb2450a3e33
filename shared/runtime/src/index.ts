export {
  createLogger,
  logLevels,
  type LogFacts,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from './logger.ts'
export { retryWhileUnreachable, type RetryOptions } from './retry.ts'
export { systemClock, type Clock, type Task } from './task.ts'
