export type { Column, Value } from './sandbox/protocol.ts'
