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
