export { openLock } from './lock.ts'
export { openState, type StateConfig } from './open.ts'
export type { StateEntry, StateStore } from './state.ts'
