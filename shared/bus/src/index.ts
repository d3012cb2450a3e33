export type {
  Batch,
  Bus,
  BusRecord,
  Consumer,
  ConsumeHandler,
  ConsumeOptions,
  OutgoingRecord,
  PartitionState,
  Position,
  ReadOptions,
  TopicPartition,
} from './bus.ts'
export type {
  BusConfig,
  BusDeps,
  EmbeddedConfig,
  KafkaConfig,
  MemoryConfig,
  SaslConfig,
  TlsConfig,
} from './config.ts'
export { openBus } from './open.ts'
export { publishDeadLetter, type GivenUp } from './dead-letter.ts'
