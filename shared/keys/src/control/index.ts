// The part of control decisions that runs inside observed servers: no state, no secrets, Node 20.
export { createControlVerifier, type ControlVerifier } from './signer.ts'
export { openSnapshot, type ControlSnapshot } from './snapshot.ts'
export { createControlView, maxLifeMs, readDecision, type Applied, type ControlView } from './view.ts'
