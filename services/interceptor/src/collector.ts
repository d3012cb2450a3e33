export { createControlRelay, type ControlRelay } from './collector/relay.ts'
export {
  startCollector,
  type Collector,
  type CollectorOptions,
  type DeviceClaim,
} from './collector/server.ts'
export { readControlKeys } from './control/keys.ts'
