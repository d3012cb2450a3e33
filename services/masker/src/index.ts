export { createMask } from './mask.ts'
export { createMasker } from './masker.ts'
export type { Mask } from './build-event.ts'
export type { WorkOptions } from './work.ts'
