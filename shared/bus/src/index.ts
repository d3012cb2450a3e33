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
export { openDeadLetter, publishDeadLetter, replayOf, type DeadLetter, type GivenUp } from './dead-letter.ts'
