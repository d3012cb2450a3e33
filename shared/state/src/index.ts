export type { StateEntry, StateStore } from './state.ts'
