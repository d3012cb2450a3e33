export { readConfig, type AwsPlace, type Config, type FilePlace, type S3Place } from './config.ts'
export type { BusConfig, KafkaSasl, KafkaTls } from './config-bus.ts'
export { createLineMask } from './line-mask.ts'
export { createLogger, type LogFacts, type Logger, type LoggerOptions, type LogLevel } from './logger.ts'
export type { ConfigSources } from './read-settings.ts'
export { isOutage, retryWhileUnreachable, type RetryOptions } from './retry.ts'
export { readSection, sectionIssue, type Section, type SectionName } from './sections.ts'
export type { SettingName, SettingRole } from './settings.ts'
export {
  listSections,
  listSettings,
  settingsMarkdown,
  type SectionInfo,
  type SettingInfo,
} from './settings-doc.ts'
export { systemClock, type Clock, type Task } from './task.ts'
export { createMetrics, type LabelSets, type LabelValues, type Metrics, type MetricSpec } from './metrics.ts'
export { startHealth, type HealthOptions, type HealthServer, type ReadinessCheck } from './health.ts'
export { exitCodeOf, runService, type ServiceOptions, type SignalSource } from './service.ts'
export { parseYaml, type Yaml } from './yaml.ts'
