export {
  startCollector,
  type Collector,
  type CollectorOptions,
  type DeviceClaim,
} from './collector/server.ts'
